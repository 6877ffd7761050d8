// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/data/sim/chest_xray.hpp>
#include <umsrep/data/sim/simulated_sample.hpp>

namespace umsrep::sim {

struct chest_xray_dataset_options {
    chest_xray_options xray{};
    std::size_t count = 600;   ///< samples
    std::uint64_t first = 0;   ///< number of the first patient: splits that do not overlap never share one
    float noisy_share = 1.0f;  ///< probability that a sample's image is the noisy one; else it is the clean one
    bool fresh_noise = false;  ///< draw the noise from the stream given to `get`: other noise in each epoch, the same patient
    std::string group = "simulated";
    std::string denoise = "denoise"; ///< head whose target is the clean image; an empty name leaves the label out
    std::string lungs = "lungs";     ///< head whose target is the lung mask
    std::string finding = "finding"; ///< head whose target is the class index, see `finding_names`
};

/// Simulated chest radiographs as a dataset: patient `first + index`, classes in turn, so that they are balanced. Nothing is
/// stored; a sample is computed when asked for, and is the same whoever asks.
class chest_xray_dataset {
public:
    /// @throws option_error
    chest_xray_dataset(seed s, chest_xray_dataset_options options) : seed_{s}, options_{std::move(options)} {
        detail::check(options_.xray);
        if (!(options_.noisy_share >= 0.0f && options_.noisy_share <= 1.0f))
            throw option_error("noisy_share", "0 to 1", std::to_string(options_.noisy_share));
    }

    std::size_t size() const { return options_.count; }

    finding kind(std::size_t index) const { return static_cast<finding>((options_.first + index) % finding_names.size()); }

    /// All that is known of sample `index`, with the noise that belongs to it. @throws option_error when there is no such sample
    chest_xray simulate(std::size_t index) const {
        const std::uint64_t patient = number(index);
        return simulate_chest_xray(options_.xray, seed_, patient, kind(index));
    }

    /// Image (1, size, size) and the labels. `random` is used only for fresh noise. @throws option_error
    data::sample get(std::size_t index, random_stream& random) const {
        const std::uint64_t patient = number(index);
        random_stream noise = detail::noise_of(options_, seed_, "chest photons", patient, random);
        chest_xray truth = simulate_chest_xray(options_.xray, seed_, patient, kind(index), noise);
        const random_stream choice{seed_, "chest noisy or clean", patient};
        data::sample result = detail::sample_of(options_, "xray-" + std::to_string(patient), truth, choice);
        if (!options_.lungs.empty()) result.set(options_.lungs, std::move(truth.lungs), data::label_kind::mask);
        if (!options_.finding.empty()) result.set(options_.finding, static_cast<float>(truth.kind));
        return result;
    }

private:
    std::uint64_t number(std::size_t index) const { return detail::patient_of(options_, index); }

    seed seed_;
    chest_xray_dataset_options options_;
};

} // namespace umsrep::sim
