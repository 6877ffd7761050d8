// SPDX-License-Identifier: MIT
#include "evaluate.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/image_quality.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/metric/ranking.hpp>
#include <umsrep/report/table.hpp>

namespace xray {

namespace metric = umsrep::metric;
using json = nlohmann::ordered_json;
using umsrep::data::sample;
using umsrep::data::tensor;

namespace {

std::span<const float> values(const tensor& t) { return {t.data(), t.size()}; }

struct restoration {
    metric::image_quality noisy, denoised;

    void add(const tensor& clean, const tensor& with_noise, const tensor& without) {
        const std::size_t h = clean.shape()[1], w = clean.shape()[2];
        noisy.add(values(with_noise), values(clean), h, w);
        denoised.add(values(without), values(clean), h, w);
    }
    json figures() const {
        return {{"psnr_noisy", noisy.mean_psnr()}, {"psnr", denoised.mean_psnr()}, {"ssim_noisy", noisy.mean_ssim()},
                {"ssim", denoised.mean_ssim()}, {"images", denoised.psnr_per_image().size()}};
    }
};

json figures(const metric::mask_overlap& o) {
    return {{"dice", o.mean_dice()}, {"iou", o.mean_iou()}, {"pooled_dice", o.pooled_dice()}, {"pooled_iou", o.pooled_iou()},
            {"images", o.images().size()}};
}

/// A metric for all images, and for each dataset that they come from.
template <class Metric>
struct grouped {
    Metric all;
    std::map<std::string, Metric> by_dataset;

    template <class... Arguments>
    void add(const std::string& group, const Arguments&... arguments) {
        all.add(arguments...);
        by_dataset[group].add(arguments...);
    }
    template <class Figures>
    json result(Figures figures_of) const {
        json j = figures_of(all);
        for (const auto& [name, metric] : by_dataset) j["by_dataset"][name] = figures_of(metric);
        return j;
    }
};

struct classification {
    std::vector<int> truth;
    std::vector<float> scores; ///< images, classes

    void add(int label, const tensor& probabilities) {
        truth.push_back(label);
        scores.insert(scores.end(), probabilities.data(), probabilities.data() + probabilities.size());
    }

    /// Of the images of two classes, how well p1 / (p0 + p1) tells them apart.
    double auroc_between(int negative, int positive) const {
        metric::ranked_scores ranked;
        for (std::size_t i = 0; i < truth.size(); ++i) {
            if (truth[i] != negative && truth[i] != positive) continue;
            const float* p = scores.data() + i * class_names.size();
            const std::array score{p[positive] / std::max(p[positive] + p[negative], 1e-30f)};
            const std::array label{truth[i] == positive ? 1 : 0};
            ranked.add(score, label);
        }
        return ranked.auroc();
    }

    json figures() const {
        const int classes = static_cast<int>(class_names.size());
        metric::confusion_matrix confusion{classes};
        confusion.add_scores(truth, scores);
        json j{{"accuracy", metric::accuracy(confusion)},
               {"balanced_accuracy", metric::balanced_accuracy(confusion)},
               {"auroc", metric::mean_of_defined(metric::auroc_one_vs_rest(scores, truth, classes))},
               {"auroc_bacterial_vs_normal", auroc_between(0, 1)},
               {"auroc_viral_vs_normal", auroc_between(0, 2)},
               {"auroc_bacterial_vs_viral", auroc_between(2, 1)},
               {"mcc", metric::mcc(confusion)},
               {"classes", class_names}};
        for (int t = 0; t < classes; ++t)
            for (int p = 0; p < classes; ++p) j["confusion"][static_cast<std::size_t>(t)][static_cast<std::size_t>(p)] = confusion.count(t, p);
        j["images"] = truth.size();
        return j;
    }
};

} // namespace

xt::xtensor<float, 4> batch_of(const tensor& image) {
    auto batch = umsrep::data::uninitialized(1, umsrep::data::shape_of(image));
    std::copy_n(image.data(), image.size(), batch.data());
    return batch;
}

tensor sample_of(const xt::xtensor<float, 4>& batch, std::size_t index) {
    tensor t = tensor::from_shape(std::array{batch.shape()[1], batch.shape()[2], batch.shape()[3]});
    std::copy_n(batch.data() + index * t.size(), t.size(), t.data());
    return t;
}

tensor displayed(tensor image) {
    for (std::size_t i = 0; i < image.size(); ++i) image.data()[i] = std::clamp(image.data()[i], 0.0f, 1.0f);
    return image;
}

json evaluate(session& networks, const description& what, const std::vector<part>& parts, double noise) {
    grouped<restoration> denoise;
    grouped<metric::mask_overlap> lungs;
    classification finding;
    constexpr std::size_t at_once = 16;
    for (const part& p : parts)
        for (std::size_t first = 0; first < p.samples.size(); first += at_once) {
            const std::span group = std::span{p.samples}.subspan(first, std::min(at_once, p.samples.size() - first));
            std::vector<sample> noisy{group.begin(), group.end()};
            for (sample& s : noisy) add_noise(s, noise);
            const auto of_clean = networks.predict(umsrep::data::collate(group, networks.image(), {}).images);
            const auto of_noisy = networks.predict(umsrep::data::collate(noisy, networks.image(), {}).images);
            for (std::size_t i = 0; i < group.size(); ++i) {
                const sample& s = group[i];
                denoise.add(s.group, s.image, noisy[i].image, displayed(sample_of(of_noisy.denoised, i)));
                if (const auto* mask = s.find("lungs"))
                    lungs.add(s.group, values(sample_of(of_clean.lungs, i)), values(mask->value), std::size_t{1});
                if (const auto* label = s.find("finding"))
                    finding.add(static_cast<int>(label->value(0, 0, 0)), sample_of(of_clean.finding, i));
            }
        }

    json metrics;
    if (what.trains("denoise")) {
        metrics["denoise"] = denoise.result([](const restoration& r) { return r.figures(); });
        metrics["denoise"]["sigma"] = noise;
    }
    if (what.trains("lungs") && !lungs.by_dataset.empty())
        metrics["lungs"] = lungs.result([](const metric::mask_overlap& o) { return figures(o); });
    if (what.trains("finding") && !finding.truth.empty()) metrics["finding"] = finding.figures();
    return metrics;
}

std::string summary(const json& metrics) {
    using umsrep::report::number;
    umsrep::report::table table{{{"task"}, {"metric"}, {"value", umsrep::report::align::right}, {"images", umsrep::report::align::right}}};
    const auto add = [&](const char* task, const std::string& name, const json& from, const char* key, int digits = 3) {
        const json& value = from.at(key);
        table.add({task, name, value.is_number() ? number(value.get<double>(), digits) : "-", from.at("images").dump()});
    };
    if (metrics.contains("denoise")) {
        const json& d = metrics.at("denoise");
        add("denoise", "PSNR of the noisy image, dB", d, "psnr_noisy", 2);
        add("denoise", "PSNR, dB", d, "psnr", 2);
        add("denoise", "SSIM", d, "ssim");
    }
    if (metrics.contains("lungs")) {
        const json& l = metrics.at("lungs");
        add("lungs", "Dice", l, "dice");
        if (l.at("by_dataset").size() > 1)
            for (const auto& [name, figures] : l.at("by_dataset").items()) add("lungs", "Dice, " + name, figures, "dice");
        add("lungs", "IoU", l, "iou");
    }
    if (metrics.contains("finding")) {
        const json& f = metrics.at("finding");
        add("finding", "accuracy of 3 classes", f, "accuracy");
        add("finding", "AUROC, one against the rest", f, "auroc");
        add("finding", "AUROC, bacterial against normal", f, "auroc_bacterial_vs_normal");
        add("finding", "Matthews correlation", f, "mcc");
    }
    return table.text();
}

} // namespace xray
