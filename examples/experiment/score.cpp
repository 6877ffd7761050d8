// SPDX-License-Identifier: MIT
#include "score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include <umsrep/metric/calibration.hpp>
#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/hausdorff.hpp>
#include <umsrep/metric/image_quality.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/metric/ranking.hpp>
#include <umsrep/statistics/bland_altman.hpp>

#include "../doppler/data.hpp"

namespace experiment {

namespace metric = umsrep::metric;
using umsrep::data::label;
using umsrep::data::tensor;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

const char* main_metric(task_kind kind) {
    switch (kind) {
    case task_kind::classification: return "accuracy";
    case task_kind::segmentation: return "iou_per_image";
    case task_kind::denoising: break;
    }
    return "psnr";
}

std::span<const float> values(const tensor& t) { return {t.data(), t.size()}; }

/// What was predicted for image `i`.
std::span<const float> row(const xt::xtensor<float, 4>& predicted, std::size_t i) {
    const std::size_t size = predicted.size() / predicted.shape()[0];
    return {predicted.data() + i * size, size};
}

/// Figures of one task, and where they go.
class task_scores {
public:
    task_scores(const task& t, const std::vector<item>& images, const xt::xtensor<float, 4>& predicted, scores& into)
        : task_{t}, images_{images}, predicted_{predicted}, into_{into} {}

    void classification() {
        const bool binary = task_.classes == 2;
        std::vector<int> truth, positive;
        std::vector<float> probabilities;
        for_each_labelled([&](std::size_t i, const label& l) {
            const auto p = row(predicted_, i);
            const int is = static_cast<int>(l.value(0, 0, 0)), said = static_cast<int>(std::ranges::max_element(p) - p.begin());
            truth.push_back(is);
            probabilities.insert(probabilities.end(), p.begin(), p.end());
            note(i, is, said, static_cast<double>(binary ? p[1] : p[static_cast<std::size_t>(said)]));
        });
        metric::confusion_matrix m{task_.classes};
        m.add_scores(truth, probabilities);
        const std::size_t n = truth.size();
        add("accuracy", metric::accuracy(m), n);
        add("sensitivity", binary ? metric::sensitivity(m, 1) : metric::macro_sensitivity(m), n);
        add("specificity", binary ? metric::specificity(m, 1) : metric::macro_specificity(m), n);
        add("f1", binary ? metric::f1(m, 1) : metric::macro_f1(m), n);
        add("mcc", metric::mcc(m), n);
        std::vector<double> areas, precisions; // of each class against the rest; of two classes, of the positive one
        for (int c = binary ? 1 : 0; c < task_.classes; ++c) {
            metric::ranked_scores ranked;
            for (std::size_t i = 0; i < n; ++i) {
                const float score = probabilities[i * static_cast<std::size_t>(task_.classes) + static_cast<std::size_t>(c)];
                const int is_class = truth[i] == c ? 1 : 0;
                ranked.add({&score, 1}, {&is_class, 1});
            }
            areas.push_back(ranked.auroc());
            precisions.push_back(ranked.average_precision());
        }
        add("auroc", metric::mean_of_defined(areas), n);
        add("average_precision", metric::mean_of_defined(precisions), n);
        add("ece", metric::expected_calibration_error(probabilities, truth, task_.classes), n);
    }

    void segmentation() {
        metric::mask_overlap overlap;
        std::size_t right = 0, pixels = 0;
        for_each_labelled([&](std::size_t i, const label& l) {
            const auto p = row(predicted_, i), truth = values(l.value);
            overlap.add(p, truth);
            for (std::size_t k = 0; k < p.size(); ++k) right += (p[k] > 0.5f) == (truth[k] > 0.5f) ? 1 : 0;
            pixels += p.size();
            note(i, {}, {}, metric::iou(overlap.images().back()));
        });
        const std::size_t n = overlap.images().size();
        add("iou", overlap.pooled_iou(), n);
        add("dice", overlap.pooled_dice(), n);
        add("iou_per_image", overlap.mean_iou(), n);
        add("dice_per_image", overlap.mean_dice(), n);
        add("pixel_accuracy", static_cast<double>(right) / static_cast<double>(pixels), n);
    }

    void boundaries() {
        std::vector<double> distances;
        for_each_labelled([&](std::size_t i, const label& l) {
            distances.push_back(metric::hausdorff(row(predicted_, i), values(l.value), l.value.shape()[1], l.value.shape()[2]));
        });
        std::erase_if(distances, [](double d) { return !std::isfinite(d); }); // nothing was predicted; the count tells
        add("hd95", metric::mean_of_defined(distances), distances.size());
    }

    void denoising() {
        metric::image_quality quality;
        for_each_labelled([&](std::size_t i, const label& l) {
            const auto p = row(predicted_, i);
            std::vector<float> shown(p.begin(), p.end());
            for (float& v : shown) v = std::clamp(v, 0.0f, 1.0f);
            quality.add(shown, values(l.value), l.value.shape()[1], l.value.shape()[2]);
            note(i, {}, {}, quality.psnr_per_image().back());
        });
        const std::size_t n = quality.psnr_per_image().size();
        add("psnr", quality.mean_psnr(), n);
        add("ssim", quality.mean_ssim(), n);
    }

    /// Peak velocity, VTI and E/A off the predicted envelopes, in percent of the truth: bias and limits of agreement.
    void quantities() {
        std::vector<double> peak, vti, filling;
        for_each_labelled([&](std::size_t i, const label& l) {
            const auto& truth = images_[i].echo;
            if (!truth) return;
            tensor mask = l.value;
            std::ranges::copy(row(predicted_, i), mask.data());
            const auto read = doppler::read_envelope(mask, truth->calibration, truth->flow);
            if (!std::isnan(read.peak)) peak.push_back(100 * read.peak / truth->peak_velocity);
            if (!std::isnan(read.vti)) vti.push_back(100 * read.vti / truth->vti);
            if (!std::isnan(read.early_to_late) && !std::isnan(truth->early_to_late))
                filling.push_back(100 * read.early_to_late / truth->early_to_late);
        });
        using named = std::pair<const char*, const std::vector<double>*>;
        for (const auto& [name, measured] : {named{"peak_velocity", &peak}, named{"vti", &vti}, named{"early_to_late", &filling}}) {
            const std::vector<double> all_of_it(measured->size(), 100.0);
            const auto a = umsrep::statistics::bland_altman(*measured, all_of_it);
            add(name + std::string{"_bias"}, a.bias, a.count);
            add(name + std::string{"_low"}, a.count < 2 ? unknown : a.limits.low, a.count);
            add(name + std::string{"_high"}, a.count < 2 ? unknown : a.limits.high, a.count);
        }
    }

private:
    template <class Visit>
    void for_each_labelled(Visit visit) const {
        for (std::size_t i = 0; i < images_.size(); ++i)
            if (const label* l = images_[i].sample.find(task_.name)) visit(i, *l);
    }
    void add(std::string name, double value, std::size_t count) { into_.figures.push_back({task_.name, std::move(name), value, count}); }
    void note(std::size_t i, std::optional<int> truth, std::optional<int> predicted, double score) {
        into_.predictions.push_back({task_.name, images_[i].sample.id, images_[i].patient, truth, predicted, score});
    }

    const task& task_;
    const std::vector<item>& images_;
    const xt::xtensor<float, 4>& predicted_;
    scores& into_;
};

} // namespace

double scores::main_figure(const task& t) const {
    for (const figure& f : figures)
        if (f.task == t.name && f.metric == main_metric(t.kind)) return f.value;
    return unknown;
}

double quality(const task& t, const std::vector<item>& images, const xt::xtensor<float, 4>& predicted) {
    scores result;
    task_scores of_task{t, images, predicted, result};
    switch (t.kind) {
    case task_kind::classification: of_task.classification(); return result.main_figure(t);
    case task_kind::segmentation: of_task.segmentation(); return result.main_figure(t);
    case task_kind::denoising: break;
    }
    constexpr double decibels = 40; // a picture that is restored well: 1, as for the others
    of_task.denoising();
    return result.main_figure(t) / decibels;
}

scores score(const family& f, const std::vector<item>& images, const outputs& predicted) {
    scores result;
    for (std::size_t t = 0; t < f.tasks.size(); ++t) {
        task_scores of_task{f.tasks[t], images, predicted[t], result};
        switch (f.tasks[t].kind) {
        case task_kind::classification: of_task.classification(); break;
        case task_kind::segmentation:
            of_task.segmentation();
            of_task.boundaries();
            if (f.images == modality::echo) of_task.quantities();
            break;
        case task_kind::denoising: of_task.denoising(); break;
        }
    }
    return result;
}

} // namespace experiment
