// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/data/sim/doppler.hpp>
#include <umsrep/data/sim/simulated_sample.hpp>

namespace umsrep::sim {

struct doppler_dataset_options {
    doppler_options doppler{};
    std::size_t count = 800;   ///< samples
    std::uint64_t first = 0;   ///< number of the first patient: splits that do not overlap never share one
    float noisy_share = 1.0f;  ///< probability that a sample's image is the one with speckle; else it is the clean one
    bool fresh_noise = false;  ///< draw the speckle from the stream given to `get`: another one in each epoch, the same patient
    std::string group = "simulated";
    std::string denoise = "denoise";   ///< head whose target is the clean image; an empty name leaves the label out
    std::string envelope = "envelope"; ///< head whose target is the envelope mask
    std::string quality = "quality";   ///< head whose target is the class index, see `view_quality_names`
    std::string flow = "flow";         ///< head whose target is the class index, see `doppler_flow_names`
};

/// Simulated Doppler spectrograms as a dataset: patient `first + index`, flows in turn, so that they are balanced. Nothing is
/// stored; a sample is computed when asked for, and is the same whoever asks.
class doppler_dataset {
public:
    /// @throws option_error
    doppler_dataset(seed s, doppler_dataset_options options) : seed_{s}, options_{std::move(options)} {
        detail::check(options_.doppler);
        detail::check_range("Doppler noisy_share", {options_.noisy_share, options_.noisy_share}, 0.0f, 1.0f);
    }

    std::size_t size() const { return options_.count; }

    doppler_flow flow(std::size_t index) const { return static_cast<doppler_flow>(number(index) % doppler_flow_names.size()); }

    /// All that is known of sample `index`, with the speckle that belongs to it. @throws option_error when there is no such sample
    doppler_spectrogram simulate(std::size_t index) const { return simulate_doppler(options_.doppler, seed_, number(index), flow(index)); }

    /// Image (1, height, width) and the labels. `random` is used only for fresh noise. @throws option_error
    data::sample get(std::size_t index, random_stream& random) const {
        const std::uint64_t patient = number(index);
        random_stream noise = detail::noise_of(options_, seed_, "doppler speckle", patient, random);
        doppler_spectrogram truth = simulate_doppler(options_.doppler, seed_, patient, flow(index), noise);
        const random_stream choice{seed_, "doppler noisy or clean", patient};
        data::sample result = detail::sample_of(options_, "doppler-" + std::to_string(patient), truth, choice);
        if (!options_.envelope.empty()) result.set(options_.envelope, std::move(truth.envelope), data::label_kind::mask);
        if (!options_.quality.empty()) result.set(options_.quality, static_cast<float>(truth.quality));
        if (!options_.flow.empty()) result.set(options_.flow, static_cast<float>(truth.flow));
        return result;
    }

private:
    std::uint64_t number(std::size_t index) const { return detail::patient_of(options_, index); }

    seed seed_;
    doppler_dataset_options options_;
};

} // namespace umsrep::sim
