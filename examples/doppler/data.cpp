// SPDX-License-Identifier: MIT
#include "data.hpp"

#include <cmath>
#include <utility>

#include <umsrep/data/geometry.hpp>
#include <umsrep/data/in_memory.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/sim/doppler_dataset.hpp>
#include <umsrep/io/doppler_folder.hpp>
#include <umsrep/metric/doppler.hpp>

namespace doppler {

namespace data = umsrep::data;
namespace sim = umsrep::sim;
namespace metric = umsrep::metric;

namespace {

/// Patients that no other split has. Training sees other speckle in each epoch.
sim::doppler_dataset simulated(const data_options& options, const std::string& split, int size) {
    constexpr std::uint64_t between_splits = std::uint64_t{1} << 32;
    const std::uint64_t place = split == "train" ? 0 : split == "val" ? 1 : 2;
    sim::doppler_dataset_options o{.count = place == 0 ? options.simulated : options.simulated / 4, .first = place * between_splits,
                                   .fresh_noise = place == 0};
    o.doppler.height = o.doppler.width = size;
    if (options.shifted && place == 2) {
        o.doppler = sim::shifted_domain(o.doppler);
        o.group = "shifted";
    }
    return {umsrep::seed{2021}, o};
}

metric::flow_side side_of(sim::doppler_flow flow) {
    switch (flow) {
    case sim::doppler_flow::lvot:
    case sim::doppler_flow::aortic_stenosis:
    case sim::doppler_flow::mitral_regurgitation:
    case sim::doppler_flow::tricuspid_regurgitation: return metric::flow_side::away;
    default: return metric::flow_side::towards;
    }
}

} // namespace

reading read_envelope(const data::tensor& mask, const umsrep::doppler_calibration& calibration, sim::doppler_flow flow) {
    const metric::envelope_options options{.folded = sim::mode_of(flow) != sim::doppler_mode::continuous};
    const auto trace = metric::envelope_trace({mask.data(), mask.size()}, mask.shape()[1], mask.shape()[2], calibration, options);
    reading result;
    if (flow == sim::doppler_flow::mitral_inflow) {
        const auto q = metric::measure_filling(trace, side_of(flow), calibration);
        result = {.peak = std::fmax(q.early, q.late), .vti = q.vti, .early = q.early, .late = q.late, .early_to_late = q.early_to_late};
        result.peak_gradient = metric::pressure_gradient(result.peak);
        return result;
    }
    const auto q = metric::measure_flow(trace, side_of(flow), calibration);
    result = {.peak = q.peak_velocity, .vti = q.vti};
    if (flow == sim::doppler_flow::tissue) {
        const auto diastole = metric::measure_filling(trace, metric::flow_side::away, calibration);
        result.early = diastole.early;
        result.late = diastole.late;
        result.early_to_late = diastole.early_to_late;
    } else {
        result.peak_gradient = q.peak_gradient;
        result.mean_gradient = q.mean_gradient;
    }
    return result;
}

data::any_dataset samples(const data_options& options, const std::string& split, int size) {
    const bool train = split == "train";
    if (options.folder.empty()) {
        if (!train) return simulated(options, split, size);
        return data::transformed(simulated(options, split, size), data::random_affine{.rotation = 0, .shift = 0.08f, .scale = 0.1f});
    }
    data::in_memory images{data::transformed(umsrep::io::doppler_folder{options.folder, split}, data::resize{size, size})};
    if (!train) return images;
    return data::transformed(std::move(images), data::random_affine{.rotation = 0, .shift = 0.08f, .scale = 0.1f},
                             data::random_intensity{.brightness = 0.1f, .contrast = 0.2f, .gamma = 0.2f});
}

std::vector<record> records(const data_options& options, const std::string& split, int size) {
    std::vector<record> result;
    umsrep::random_stream unused{umsrep::seed{0}};
    if (options.folder.empty()) {
        const auto set = simulated(options, split, size);
        for (std::size_t i = 0; i < set.size(); ++i) {
            const auto truth = set.simulate(i);
            result.push_back({set.get(i, unused), truth.calibration, truth.flow,
                              {.peak = static_cast<double>(truth.peak_velocity), .vti = static_cast<double>(truth.vti)}});
        }
        return result;
    }
    const umsrep::io::doppler_folder set{options.folder, split};
    for (std::size_t i = 0; i < set.size(); ++i) {
        record r{set.get(i, unused), set.calibration(i), {}, {}};
        const double rows = static_cast<double>(size) / static_cast<double>(r.sample.image.shape()[1]);
        const double columns = static_cast<double>(size) / static_cast<double>(r.sample.image.shape()[2]);
        if (const auto* flow = r.sample.find("flow")) r.flow = static_cast<sim::doppler_flow>(static_cast<int>(flow->value(0, 0, 0)));
        if (const auto* mask = r.sample.find("envelope"); mask && r.flow) r.truth = read_envelope(mask->value, r.calibration, *r.flow);
        r.calibration = r.calibration.resampled(rows, columns);
        data::resize{size, size}(r.sample, unused);
        result.push_back(std::move(r));
    }
    return result;
}

} // namespace doppler
