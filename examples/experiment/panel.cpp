// SPDX-License-Identifier: MIT
#include "panel.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include <umsrep/data/sim/doppler_flow.hpp>
#include <umsrep/data/sim/pneumonia.hpp>

namespace experiment {

namespace report = umsrep::report;
using umsrep::data::label;
using umsrep::data::tensor;

namespace {

constexpr std::size_t most_images = 6;

/// Images of as many strata as there are, the first of each first.
std::vector<std::size_t> choose(const std::vector<item>& images) {
    std::vector<std::size_t> chosen;
    std::set<int> seen;
    for (const bool new_only : {true, false})
        for (std::size_t i = 0; i < images.size() && chosen.size() < most_images; ++i) {
            if (std::ranges::find(chosen, i) != chosen.end()) continue;
            if (seen.insert(images[i].stratum).second || !new_only) chosen.push_back(i);
        }
    return chosen;
}

tensor output_of(const xt::xtensor<float, 4>& predicted, std::size_t i) {
    tensor t = tensor::from_shape(std::array{predicted.shape()[1], predicted.shape()[2], predicted.shape()[3]});
    std::copy_n(predicted.data() + i * t.size(), t.size(), t.data());
    return t;
}

std::string class_name(const task& t, std::size_t c) {
    if (t.name == "finding") return std::string{umsrep::sim::finding_names[c]};
    if (t.name == "flow") return std::string{umsrep::sim::doppler_flow_names[c]};
    if (t.name == "quality") return c == 0 ? "poor" : "good";
    const std::size_t versus = t.name.find("_vs_"); // bacterial_vs_normal: the first is the positive class
    return c == 1 ? t.name.substr(0, versus) : t.name.substr(versus + 4);
}

report::tile classification(const task& t, const label* truth, const tensor& p, std::size_t side) {
    std::vector<report::probability> classes;
    for (std::size_t c = 0; c < p.size(); ++c) classes.push_back({class_name(t, c), static_cast<double>(p.data()[c])});
    report::picture bars = report::probability_bars(classes, side, side);
    if (truth == nullptr) return {std::move(bars), "not asked"};
    const auto is = static_cast<std::size_t>(truth->value(0, 0, 0));
    const auto said = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    if (is != said)
        for (const std::size_t edge : {std::size_t{0}, side - 2}) {
            bars.fill({edge, 0}, 2, side, report::colours::red);
            bars.fill({0, edge}, side, 2, report::colours::red);
        }
    return {std::move(bars), "truth: " + class_name(t, is)};
}

} // namespace

report::picture panel(const family& f, const std::vector<item>& images, const outputs& predicted) {
    std::vector<report::tile> tiles;
    for (const std::size_t i : choose(images)) {
        const umsrep::data::sample& s = images[i].sample;
        const std::size_t size = s.image.shape()[1], factor = std::max<std::size_t>(1, 160 / size), side = size * factor;
        const auto shown = [&](const tensor& image) { return report::picture{report::enlarge(image, factor)}; };
        tiles.push_back({shown(s.image), "image"});
        for (std::size_t t = 0; t < f.tasks.size(); ++t) {
            const label* truth = s.find(f.tasks[t].name);
            const tensor output = output_of(predicted[t], i);
            if (f.tasks[t].kind == task_kind::classification) {
                tiles.push_back(classification(f.tasks[t], truth, output, side));
            } else if (f.tasks[t].kind == task_kind::denoising) {
                tiles.push_back({shown(output), "denoised"});
            } else {
                report::picture outlined = shown(s.image);
                if (truth != nullptr) outlined.outline(report::enlarge(truth->value, factor), {0, 0}, report::colours::green);
                outlined.outline(report::enlarge(output, factor), {0, 0}, report::colours::yellow);
                tiles.push_back({std::move(outlined), f.tasks[t].name + (truth != nullptr ? ", truth green" : "")});
            }
        }
    }
    return report::grid(tiles, {.columns = 1 + f.tasks.size()});
}

} // namespace experiment
