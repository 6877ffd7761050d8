// SPDX-License-Identifier: MIT
#include <algorithm>

#include "evaluate.hpp"

namespace xray {

namespace report = umsrep::report;
using umsrep::data::sample;

namespace {

/// Up to `most` samples, so that classes and datasets take turns.
std::vector<const sample*> choose(const std::vector<part>& parts, std::size_t most) {
    std::vector<std::pair<std::string, std::vector<const sample*>>> kinds;
    for (const part& p : parts)
        for (const sample& s : p.samples) {
            const auto* finding = s.find("finding");
            const std::string kind = s.group + (finding ? class_names.at(static_cast<std::size_t>(finding->value(0, 0, 0))) : "");
            auto found = std::ranges::find(kinds, kind, [](const auto& k) { return k.first; });
            if (found == kinds.end()) found = kinds.insert(kinds.end(), {kind, {}});
            found->second.push_back(&s);
        }
    std::vector<const sample*> chosen;
    for (std::size_t turn = 0; chosen.size() < most; ++turn) {
        const std::size_t before = chosen.size();
        for (const auto& [kind, samples] : kinds)
            if (turn < samples.size() && chosen.size() < most) chosen.push_back(samples[turn]);
        if (chosen.size() == before) break;
    }
    return chosen;
}

/// The bars mark the most probable class in green.
report::picture marked_wrong(report::picture bars) {
    for (std::size_t y = 0; y < bars.height(); ++y)
        for (std::size_t x = 0; x < bars.width(); ++x)
            if (bars.at({y, x}) == report::colours::green) bars.fill({y, x}, 1, 1, report::colours::red);
    return bars;
}

} // namespace

report::picture panel(session& networks, const std::vector<part>& parts, double noise) {
    const auto size = static_cast<std::size_t>(networks.image().h), factor = std::max<std::size_t>(1, 160 / size);
    const auto shown = [&](const umsrep::data::tensor& image) { return report::picture{report::enlarge(displayed(image), factor)}; };
    std::vector<report::tile> tiles;
    for (const sample* s : choose(parts, 6)) {
        sample noisy = *s;
        add_noise(noisy, noise);
        const auto clean = networks.predict(batch_of(s->image)), restored = networks.predict(batch_of(noisy.image));
        tiles.push_back({shown(noisy.image), "noisy"});
        tiles.push_back({shown(sample_of(restored.denoised, 0)), "denoised"});
        tiles.push_back({shown(s->image), "clean: " + s->group});
        report::picture lungs = shown(s->image);
        if (const auto* truth = s->find("lungs")) lungs.outline(report::enlarge(truth->value, factor), {0, 0}, report::colours::green);
        lungs.outline(report::enlarge(sample_of(clean.lungs, 0), factor), {0, 0}, report::colours::yellow);
        tiles.push_back({std::move(lungs), s->find("lungs") ? "lungs, truth green" : "lungs"});
        std::vector<report::probability> classes;
        for (std::size_t c = 0; c < class_names.size(); ++c) classes.push_back({class_names[c], clean.finding.data()[c]});
        const auto* label = s->find("finding");
        const auto best = std::ranges::max_element(classes, {}, &report::probability::value) - classes.begin();
        report::picture bars = report::probability_bars(classes, size * factor, size * factor);
        if (label && label->value(0, 0, 0) != static_cast<float>(best)) bars = marked_wrong(std::move(bars));
        tiles.push_back({std::move(bars),
                         label ? "truth: " + class_names.at(static_cast<std::size_t>(label->value(0, 0, 0))) : "truth: not known"});
    }
    return report::grid(tiles, {.columns = 5});
}

} // namespace xray
