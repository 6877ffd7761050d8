// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/train/balance/detail/softmax.hpp>

namespace umsrep::balance {

/// Random loss weighting: in every step K softmax of standard normal numbers. Lin, Ye, Zhang, Tsang, "Reasonable effectiveness of random
/// weighting", TMLR 2022, section 3.1 (there without the factor K, the number of tasks in the step). The baseline that others should beat.
struct random_weights {
    static constexpr std::string_view name = "random weights";

    seed random{0};
    std::vector<double> drawn{}; ///< logits, weights, and the number of steps

    std::string options() const { return "seed=" + std::to_string(random.value); }
    void start(std::size_t tasks) { drawn.assign(2 * tasks + 1, 0.0); }
    void begin(std::span<const char> present) {
        const std::span<double> all = drawn, logits = all.first(present.size()), weights = all.subspan(present.size(), present.size());
        random_stream stream(random, name, static_cast<std::uint64_t>(drawn.back()++));
        for (double& logit : logits) logit = static_cast<double>(stream.normal());
        detail::softmax_of_present(logits, present, weights);
        for (double& weight : weights) weight *= detail::count_of(present);
    }
    double weight(std::size_t task, double) const { return drawn[drawn.size() / 2 + task]; }
    std::span<double> state() { return drawn; }
};

} // namespace umsrep::balance
