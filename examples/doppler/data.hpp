// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <umsrep/core/doppler_calibration.hpp>
#include <umsrep/data/dataset.hpp>
#include <umsrep/data/sim/doppler_flow.hpp>

namespace doppler {

struct data_options {
    std::filesystem::path folder; ///< images with calibration.csv; empty: simulated ones
    std::size_t simulated = 1600; ///< training images of the simulator; validation and test get a quarter each
    bool shifted = false;         ///< simulate test images of a domain that was not trained on
};

/// What is read off an envelope; NaN where it does not show.
struct reading {
    static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    double peak = unknown, vti = unknown;                     ///< cm/s, cm
    double peak_gradient = unknown, mean_gradient = unknown;  ///< mmHg
    double early = unknown, late = unknown, early_to_late = unknown;
};

/// From a mask (1, H, W) and its calibration, as this kind of flow is read.
reading read_envelope(const umsrep::data::tensor& mask, const umsrep::doppler_calibration& calibration, umsrep::sim::doppler_flow flow);

/// One image to measure on, in the network's size, and what is known of it.
struct record {
    umsrep::data::sample sample;
    umsrep::doppler_calibration calibration; ///< of the image in the network's size
    std::optional<umsrep::sim::doppler_flow> flow;
    reading truth; ///< peak and VTI: the simulator's, or read off the stored mask
};

/// Samples of "train" or "val" in the network's size.
umsrep::data::any_dataset samples(const data_options& data, const std::string& split, int size);
std::vector<record> records(const data_options& data, const std::string& split, int size);

} // namespace doppler
