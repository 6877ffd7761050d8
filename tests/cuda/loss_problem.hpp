// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <tests/cuda/kernel_images.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/loss/workspace.hpp>

/// Losses on a device against the project's losses in double.
namespace umsrep::test::loss_problems {

using namespace kernel_images;
namespace kernel = cuda::kernel;

inline constexpr float task_weight = 0.75f, loss_scale = 1024;

/// Logits that a T can hold, targets, and who has one: a mask with absent samples, whose targets are NaN, or none.
template <class T>
struct problem {
    int n;
    shape s, target_shape;
    std::vector<double> logits;
    std::vector<float> target;
    std::vector<std::uint8_t> mask;
    image<T> stored, gradient;

    template <class Draw>
    problem(shape sample, shape wanted, std::vector<std::uint8_t> present, Draw draw, int samples = 4)
        : n{samples},
          s{sample},
          target_shape{wanted},
          mask{std::move(present)},
          stored(samples, sample, {}),
          gradient(samples, sample, where()) {
        random_stream random(seed{static_cast<std::uint64_t>(s.size())}, "losses");
        logits.resize(static_cast<std::size_t>(n * s.size()));
        for (double& x : logits) x = 3 * static_cast<double>(random.normal());
        round_to<T>(logits);
        for (int i = 0; i < n; ++i)
            for (std::ptrdiff_t j = 0; j < target_shape.size(); ++j)
                target.push_back(has(i) ? draw(random) : std::numeric_limits<float>::quiet_NaN());
        stored = image<T>(n, s, where(), logits);
    }

    bool has(int sample) const { return mask.empty() || mask[static_cast<std::size_t>(sample)] != 0; }
    slice where() const { return {s.c + 3, 1}; }
    extents e() const { return extents_of(n, s); }
    kernel::presence present() const { return {mask.empty() ? nullptr : mask.data()}; }
    kernel::gradient_factors factors() const { return {&task_weight, &loss_scale}; }

    /// The report and the gradient are what the loss says in double.
    template <class Loss>
    void check(const Loss& loss, const kernel::loss_report& report, double tolerance_of_value = 1e-6, double factor = 2) {
        std::vector<double> expected(logits.size());
        std::vector<double> scratch(Loss::scratch_size(n, s, 1));
        const tensor_view<const float> targets{target.data(), n, target_shape};
        const double value = loss.evaluate(tensor_view<const double>{logits.data(), n, s}, targets, mask,
                                           static_cast<double>(task_weight * loss_scale),
                                           tensor_view<double>{expected.data(), n, s}, loss::workspace{nullptr, scratch});
        CHECK(report.refused == 0);
        CHECK(report.value == doctest::Approx(value).epsilon(tolerance_of_value));
        check_same(gradient, expected, factor);
        const std::vector<double> got = gradient.values();
        for (int i = 0; i < n; ++i)
            for (std::ptrdiff_t j = 0; !has(i) && j < s.size(); ++j)
                REQUIRE(got[static_cast<std::size_t>(i * s.size() + j)] == 0);
    }
};

inline const std::vector<std::vector<std::uint8_t>> masks{{}, {1, 0, 1, 1}, {0, 0, 0, 0}};

} // namespace umsrep::test::loss_problems
