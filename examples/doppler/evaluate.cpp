// SPDX-License-Identifier: MIT
#include "evaluate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <span>

#include <device/device.hpp>
#include <umsrep/data/batch.hpp>
#include <umsrep/io/atomic_file.hpp>
#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/image_quality.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/report/table.hpp>
#include <umsrep/statistics/bland_altman.hpp>

#include "commands.hpp"

namespace doppler {

namespace metric = umsrep::metric;
using json = nlohmann::ordered_json;
using umsrep::data::tensor;

namespace {

std::span<const float> values(const tensor& t) { return {t.data(), t.size()}; }

struct classification {
    std::vector<int> truth;
    std::vector<float> scores; ///< images, classes

    void add(const umsrep::data::label* label, const tensor& probabilities) {
        if (label == nullptr) return;
        truth.push_back(static_cast<int>(label->value(0, 0, 0)));
        scores.insert(scores.end(), probabilities.data(), probabilities.data() + probabilities.size());
    }
    json figures(int classes) const {
        metric::confusion_matrix confusion{classes};
        confusion.add_scores(truth, scores);
        json j{{"accuracy", metric::accuracy(confusion)}, {"balanced_accuracy", metric::balanced_accuracy(confusion)},
               {"mcc", metric::mcc(confusion)}, {"images", truth.size()}};
        for (int t = 0; t < classes; ++t) {
            json row;
            for (int p = 0; p < classes; ++p) row.push_back(confusion.count(t, p));
            j["confusion"].push_back(std::move(row));
        }
        return j;
    }
};

/// Measured against true values, in percent of the truth: velocities of tissue and of jets differ a hundredfold.
struct comparison {
    std::vector<double> measured, truth;
    std::size_t unread = 0; ///< known, but not to be read off the prediction

    void add(double value, double reference) {
        if (std::isnan(reference)) return;
        if (std::isnan(value)) {
            ++unread;
            return;
        }
        measured.push_back(100 * value / reference);
        truth.push_back(100);
    }
    json figures() const {
        const auto a = umsrep::statistics::bland_altman(measured, truth);
        return {{"bias_percent", a.bias}, {"lower_limit_percent", a.limits.low}, {"upper_limit_percent", a.limits.high},
                {"images", a.count}, {"unread", unread}};
    }
};

} // namespace

tensor sample_of(const xt::xtensor<float, 4>& batch, std::size_t index) {
    tensor t = tensor::from_shape(std::array{batch.shape()[1], batch.shape()[2], batch.shape()[3]});
    std::copy_n(batch.data() + index * t.size(), t.size(), t.data());
    return t;
}

void write_json(const std::filesystem::path& path, const json& content) {
    umsrep::io::write_atomically(path, [&](std::ostream& out) {
        out << content.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    });
}

json evaluate(session& net, const std::vector<record>& images) {
    metric::image_quality noisy, denoised;
    metric::mask_overlap envelope;
    classification quality, flow;
    comparison peak, vti;
    constexpr std::size_t at_once = 16;
    for (std::size_t first = 0; first < images.size(); first += at_once) {
        const std::span group = std::span{images}.subspan(first, std::min(at_once, images.size() - first));
        std::vector<umsrep::data::sample> samples;
        for (const record& r : group) samples.push_back(r.sample);
        const predictions p = net.predict(umsrep::data::collate(samples, net.image(), {}).images);
        for (std::size_t i = 0; i < group.size(); ++i) {
            const auto& [s, calibration, kind, truth] = group[i];
            if (const auto* clean = s.find("denoise")) {
                tensor shown = sample_of(p.denoised, i);
                for (float& v : shown) v = std::clamp(v, 0.0f, 1.0f);
                const std::size_t h = s.image.shape()[1], w = s.image.shape()[2];
                noisy.add(values(s.image), values(clean->value), h, w);
                denoised.add(values(shown), values(clean->value), h, w);
            }
            const tensor mask = sample_of(p.envelope, i);
            if (const auto* label = s.find("envelope")) envelope.add(values(mask), values(label->value));
            quality.add(s.find("quality"), sample_of(p.quality, i));
            flow.add(s.find("flow"), sample_of(p.flow, i));
            if (!kind) continue;
            const reading read = read_envelope(mask, calibration, *kind);
            peak.add(read.peak, truth.peak);
            vti.add(read.vti, truth.vti);
        }
    }
    json result;
    if (!denoised.psnr_per_image().empty())
        result["denoise"] = {{"psnr_noisy", noisy.mean_psnr()}, {"psnr", denoised.mean_psnr()}, {"ssim_noisy", noisy.mean_ssim()},
                             {"ssim", denoised.mean_ssim()}, {"images", denoised.psnr_per_image().size()}};
    if (!envelope.images().empty())
        result["envelope"] = {{"dice", envelope.mean_dice()}, {"iou", envelope.mean_iou()}, {"pooled_dice", envelope.pooled_dice()},
                              {"pooled_iou", envelope.pooled_iou()}, {"images", envelope.images().size()}};
    if (!quality.truth.empty()) result["quality"] = quality.figures(2);
    if (!flow.truth.empty()) result["flow"] = flow.figures(static_cast<int>(umsrep::sim::doppler_flow_names.size()));
    if (!peak.truth.empty()) result["peak_velocity"] = peak.figures();
    if (!vti.truth.empty()) result["vti"] = vti.figures();
    return result;
}

std::string summary(const json& metrics) {
    using umsrep::report::align;
    umsrep::report::table table{{{"task"}, {"metric"}, {"value", align::right}, {"images", align::right}}};
    const auto add = [&](const char* task, const char* name, const char* key, int digits = 3) {
        if (!metrics.contains(task)) return;
        const json& figures = metrics.at(task);
        const json& value = figures.at(key);
        table.add({task, name, value.is_number() ? umsrep::report::number(value.get<double>(), digits) : "-", figures.at("images").dump()});
    };
    add("denoise", "PSNR of the noisy image, dB", "psnr_noisy", 2);
    add("denoise", "PSNR, dB", "psnr", 2);
    add("denoise", "SSIM", "ssim");
    add("envelope", "Dice", "dice");
    add("envelope", "IoU", "iou");
    add("quality", "accuracy", "accuracy");
    add("quality", "Matthews correlation", "mcc");
    add("flow", "accuracy of 8 flows", "accuracy");
    add("flow", "Matthews correlation", "mcc");
    for (const char* quantity : {"peak_velocity", "vti"}) {
        add(quantity, "bias, %", "bias_percent", 1);
        add(quantity, "lower limit of agreement, %", "lower_limit_percent", 1);
        add(quantity, "upper limit of agreement, %", "upper_limit_percent", 1);
    }
    return table.text();
}

void run(const evaluate_options& o) {
    session net = session::open(o.model, {device::choose(o.device), o.threads, o.plans});
    const auto images = records(o.data, o.split, net.size());
    json metrics = evaluate(net, images);
    metrics["split"] = o.split;
    if (!o.out.empty()) write_json(o.out, metrics);
    std::cout << summary(metrics);
}

} // namespace doppler
