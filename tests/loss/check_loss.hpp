// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/loss/loss_function.hpp>

namespace umsrep::test {

/// One call of a loss with everything it reads and writes.
template <class T>
struct loss_case {
    int n = 0;
    shape s{}, target_s{};
    std::vector<T> logits;
    std::vector<float> target;
    std::vector<std::uint8_t> present;
    std::vector<T> gradient = {};

    template <class Loss>
    double evaluate(const Loss& loss, double weight = 1.0, thread_pool* pool = nullptr) {
        static_assert(loss::loss_function<Loss>);
        gradient.assign(logits.size(), std::numeric_limits<T>::quiet_NaN()); // whatever is not written shows
        return run(loss, weight, tensor_view<T>{gradient.data(), n, s}, pool);
    }

    template <class Loss>
    double value(const Loss& loss) const {
        return run(loss, 1.0, tensor_view<T>{}, nullptr);
    }

private:
    template <class Loss>
    double run(const Loss& loss, double weight, tensor_view<T> written, thread_pool* pool) const {
        const std::size_t size = Loss::scratch_size(n, s, loss::workspace{pool, {}}.threads());
        std::vector<double> scratch(size, std::numeric_limits<double>::quiet_NaN());
        return loss.evaluate(tensor_view<const T>{logits.data(), n, s}, tensor_view<const float>{target.data(), n, target_s},
                             present, weight, written, loss::workspace{pool, scratch});
    }
};

inline shape sample_shape(const std::vector<std::size_t>& nchw) {
    return {static_cast<int>(nchw.at(1)), static_cast<int>(nchw.at(2)), static_cast<int>(nchw.at(3))};
}

/// Value and gradient as PyTorch's, stored with 24 bits; `T` is the network's scalar.
template <class T, class Loss>
void check_against_fixture(const Loss& loss, const std::string& name) {
    CAPTURE(name);
    const auto file = fixture("loss");
    const auto& logits_shape = file.shape(name + "/logits");
    loss_case<T> c{static_cast<int>(logits_shape.at(0)),       sample_shape(logits_shape),
                   sample_shape(file.shape(name + "/target")), file.values<T>(name + "/logits"),
                   file.values<float>(name + "/target"),       file.values<std::uint8_t>(name + "/present")};
    REQUIRE(Loss::target_shape(c.s) == c.target_s);
    const double expected = file.values<double>(name + "/value").at(0);
    const auto gradient = file.values<double>(name + "/gradient");

    const double weight = 0.5; // a power of two: it only moves the exponent
    CHECK(c.evaluate(loss, weight) == doctest::Approx(expected).epsilon(1e-12));
    CHECK(c.value(loss) == c.evaluate(loss, weight));
    double largest = 0.0, worst = 0.0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
        largest = std::max(largest, std::abs(gradient[i]));
        const double off = std::abs(static_cast<double>(c.gradient[i]) / weight - gradient[i]);
        worst = std::isnan(off) ? off : std::max(worst, off);
    }
    CHECK(worst <= 2e-7 * largest);
    for (int i = 0; i < c.n; ++i)
        if (!c.present[static_cast<std::size_t>(i)])
            for (std::ptrdiff_t j = 0; j < c.s.size(); ++j)
                REQUIRE(c.gradient[static_cast<std::size_t>(i * c.s.size() + j)] == 0);
}

template <class Loss>
void check_against_pytorch(const Loss& loss, const std::string& name) {
    check_against_fixture<double>(loss, name);
    check_against_fixture<float>(loss, name);
}

/// Logits of the given spread and targets from `draw`; sample 1 of 3 is absent and its target NaN.
template <class Draw>
loss_case<double> random_case(random_stream& random, shape s, shape target_s, double spread, Draw draw) {
    loss_case<double> c{3, s, target_s, {}, {}, {1, 0, 1}};
    for (std::ptrdiff_t i = 0; i < 3 * s.size(); ++i) c.logits.push_back(spread * static_cast<double>(random.normal()));
    for (std::ptrdiff_t i = 0; i < 3 * target_s.size(); ++i)
        c.target.push_back(i / target_s.size() == 1 ? std::numeric_limits<float>::quiet_NaN() : draw(random));
    return c;
}

/// The gradient against central differences, in double; all elements, or at most `most` of them drawn at random.
template <class Loss>
void check_gradient(const Loss& loss, loss_case<double> c, random_stream& random, int most = 200, double tolerance = 1e-6) {
    const double weight = 1.75, h = 1e-5;
    c.evaluate(loss, weight);
    const std::vector<double> gradient = c.gradient;
    double largest = 0.0;
    for (const double g : gradient) largest = std::max(largest, std::abs(g));
    REQUIRE(largest > 0.0);
    const auto size = static_cast<int>(c.logits.size());
    for (int k = 0; k < std::min(size, most); ++k) {
        const auto i =
            static_cast<std::size_t>(size <= most ? k : static_cast<int>(random.below(static_cast<std::uint32_t>(size))));
        const double at = c.logits[i];
        c.logits[i] = at + h;
        const double up = c.value(loss);
        c.logits[i] = at - h;
        const double down = c.value(loss);
        c.logits[i] = at;
        INFO("element " << i << ": " << gradient[i] << " against " << weight * (up - down) / (2 * h));
        REQUIRE(std::abs(gradient[i] - weight * (up - down) / (2 * h)) <= tolerance * largest);
    }
}

/// Logits of which one is NaN: neither the value nor the gradient may look like numbers.
template <class Loss>
void check_nan_shows(const Loss& loss, loss_case<double> c) {
    c.logits[0] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(c.evaluate(loss)));
    CHECK(std::isnan(c.gradient[0]));
}

/// The same bits on any number of threads and on none; and among several wrong targets the first is named. `c`: several tasks' work.
template <class Loss>
void check_threads(const Loss& loss, loss_case<double> c) {
    const double alone = c.evaluate(loss, 1.25);
    const auto gradient = c.gradient;
    CHECK(std::isfinite(alone));
    for (const int threads : {1, 2, 3}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        for (int again = 0; again < 3; ++again) {
            CHECK(c.evaluate(loss, 1.25, &pool) == alone);
            CHECK(c.gradient == gradient);
        }
    }
    c.present.clear();
    const std::size_t sample = c.target.size() / static_cast<std::size_t>(c.n);
    for (std::size_t i = sample; i < c.target.size(); i += 100) c.target[i] = -std::numeric_limits<float>::infinity();
    thread_pool pool{3};
    const std::string message = message_of<label_error>([&] { c.evaluate(loss, 1.0, &pool); });
    CHECK_MESSAGE(one_line_naming(message, "target of sample 1: "), message);
    CHECK(one_line_naming(message, "got -inf"));
}

/// Nobody labelled: no loss, no gradient, no look at the target.
template <class Loss>
void check_nothing_present(const Loss& loss, loss_case<double> c) {
    c.present.assign(c.present.size(), 0);
    std::fill(c.target.begin(), c.target.end(), std::numeric_limits<float>::quiet_NaN());
    CHECK(c.evaluate(loss) == 0.0);
    CHECK(std::all_of(c.gradient.begin(), c.gradient.end(), [](double g) { return g == 0.0; }));
}

} // namespace umsrep::test
