// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>

/// What datasets of simulated images share. Their options have count, first, noisy_share, fresh_noise, group and denoise.
namespace umsrep::sim::detail {

/// The patient of sample `index`. Throws option_error when there is no such sample.
template <class Options>
std::uint64_t patient_of(const Options& o, std::size_t index) {
    if (index >= o.count) throw option_error("simulated sample", "an index below " + std::to_string(o.count), std::to_string(index));
    return o.first + index;
}

/// The patient's own noise, or other noise each time, drawn from `random`.
template <class Options>
random_stream noise_of(const Options& o, seed s, std::string_view name, std::uint64_t patient, random_stream& random) {
    if (!o.fresh_noise) return random_stream{s, name, patient};
    const std::uint64_t high = random(), low = random();
    return random_stream{seed{high << 32 | low}, name, patient};
}

/// The noisy or the clean image, which a stream of its own decides, and the clean one as the target of the head that denoises.
template <class Options, class Truth>
data::sample sample_of(const Options& o, std::string id, Truth& truth, random_stream choice) {
    data::sample result;
    result.id = std::move(id);
    result.group = o.group;
    result.image = choice.uniform() < o.noisy_share ? std::move(truth.noisy) : truth.clean;
    if (!o.denoise.empty()) result.set(o.denoise, std::move(truth.clean), data::label_kind::image);
    return result;
}

} // namespace umsrep::sim::detail
