// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <tests/cuda/loss_problem.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/backend/cuda/kernel_name.hpp>
#include <umsrep/train/cuda/similarity_losses.hpp>

/// Losses as a device is given them, kernel after kernel.
namespace umsrep::test::device_losses {

using namespace loss_problems;

struct bodies_on_host {
    bool rehearsing = true;
    template <class Body>
    void launch(const Body& body) {
        if (rehearsing) return;
        if constexpr (cuda::reduction<Body>) kernel::reduce_on_host(body);
        else kernel::map_on_host(body);
    }
    void upload(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
    void synchronize() {}
};

template <class T, class Loss>
kernel::loss_report run(const Loss& loss, problem<T>& p, bool with_gradient = true) {
    cuda::check_options(loss, p.s);
    kernel::loss_report report{};
    const cuda::loss_work<T> work{p.e(),           p.stored.read(), with_gradient ? p.gradient.view() : pixels<T>{nullptr, 0},
                                  p.target.data(), p.present(),     p.factors(),
                                  &report};
    cuda::arranged_memory memory;
    bodies_on_host machine;
    memory.begin(nullptr);
    enqueue(machine, loss, work, memory);
    const std::size_t bytes = memory.bytes();
    std::vector<double> room(bytes / sizeof(double), std::numeric_limits<double>::quiet_NaN());
    for (const bool rehearsing : {true, false}) {
        machine.rehearsing = rehearsing;
        memory.begin(room.data());
        enqueue(machine, loss, work, memory);
        CHECK(memory.bytes() == bytes);
        if (rehearsing) memory.upload(machine);
    }
    return report;
}

template <class T, class Loss, class Draw>
void check(const Loss& loss, shape s, Draw draw, double tolerance_of_value = 1e-6, double factor = 2) {
    for (const auto& mask : masks) {
        INFO(s.c << " x " << s.h << " x " << s.w << ", " << mask.size() << " in the mask");
        problem<T> p(s, Loss::target_shape(s), mask, draw);
        const kernel::loss_report report = run(loss, p);
        p.check(loss, report, tolerance_of_value, factor);
        CHECK(run(loss, p, false).value == report.value);
    }
}

float any_number(random_stream& r) { return r.normal(); }
float probability(random_stream& r) { return r.uniform(); }
float zero_or_one(random_stream& r) { return static_cast<float>(r.below(2)); }
float one_of_five(random_stream& r) { return static_cast<float>(r.below(5)); }

TEST_CASE_TEMPLATE("every loss of elements, overlaps and classes is the project's", T, float, fp16) {
    const shape s{3, 9, 7};
    check<T>(loss::l1{}, s, any_number);
    check<T>(loss::scalar_l2{}, {1, 1, 1}, any_number);
    check<T>(loss::charbonnier{0.25}, s, any_number);
    check<T>(loss::bce{{2, 0.5, 1}}, s, probability);
    check<T>(loss::multi_label_bce{}, {13, 1, 1}, probability);
    check<T>(loss::focal{}, s, zero_or_one);
    check<T>(loss::focal{.gamma = 0.5, .alpha = std::nullopt}, s, probability);
    check<T>(loss::dice{.smooth = 2}, s, zero_or_one);
    check<T>(loss::dice_bce{.dice_weight = 0.25, .bce_weight = 2, .smooth = 0.5, .pos_weight = {2, 0.5, 1.5}}, s, probability);
    check<T>(loss::cross_entropy{{1, 2, 0.5, 1, 3}, 2, 0.1}, {5, 4, 3}, one_of_five);
    check<T>(loss::cross_entropy{}, {5, 1, 1}, one_of_five);
    check<T>(loss::focal_cross_entropy{1.5, {1, 2, 0.5, 1, 3}, 2}, {5, 4, 3}, one_of_five, 1e-6, 3);
}

/// Images that look alike, as a network's output and its target do: similarity is then far from what rounding makes of it.
template <class T>
struct alike : problem<T> {
    alike(shape sample, std::vector<std::uint8_t> with_label, double noise)
        : problem<T>(sample, sample, std::move(with_label), probability) {
        random_stream r(seed{7}, "alike");
        const auto w = static_cast<std::size_t>(sample.w);
        for (std::size_t i = 0; i < this->logits.size(); ++i) {
            const double t = 0.5 + 0.4 * std::sin(0.3 * static_cast<double>(i % w)) * std::cos(0.17 * static_cast<double>(i / w));
            if (std::isfinite(this->target[i])) this->target[i] = static_cast<float>(t);
            this->logits[i] = t + noise * static_cast<double>(r.normal());
        }
        round_to<T>(this->logits);
        this->stored = image<T>(this->n, sample, this->where(), this->logits);
    }
};

TEST_CASE_TEMPLATE("structural similarity, of one scale and of several, and its gradient are the project's", T, float, fp16) {
    const auto check_all = [](shape s, double noise, double factor) {
        for (const auto& mask : masks) {
            INFO(s.c << " x " << s.h << " x " << s.w << ", noise " << noise << ", " << mask.size() << " in the mask");
            alike<T> p(s, mask, noise);
            const auto one = [&](const auto& loss) {
                const kernel::loss_report report = run(loss, p);
                p.check(loss, report, 2e-6, factor);
                CHECK(run(loss, p, false).value == report.value);
            };
            one(loss::ssim{});
            one(loss::ms_ssim{});
            one(loss::ms_ssim{.scales = 1});
            one(loss::l1_ms_ssim{.alpha = 0.7});
        }
    };
    check_all({1, 11, 11}, 0.1, 20);
    check_all({2, 25, 33}, 0.1, 20);
    check_all({1, 47, 61}, 0.05, 20); // three scales, odd sides
    check_all({1, 44, 45}, 2, 20);    // hardly alike: a scale falls to the floor
}

TEST_CASE("structural similarity of five scales needs 176 pixels, and says so") {
    alike<float> p({1, 176, 180}, {1, 0, 1, 1}, 0.1);
    p.check(loss::ms_ssim{.scales = 5}, run(loss::ms_ssim{.scales = 5}, p), 2e-6, 20);
    alike<float> small({1, 100, 100}, {}, 0.1);
    CHECK(message_of<error>([&] { run(loss::ms_ssim{.scales = 5}, small); }) ==
          "ms_ssim image: expected a smallest side of at least 176 for 5 scales, got 100 x 100");
}

TEST_CASE("a target that is no number is counted, teaches nothing and leaves the other planes alone") {
    alike<float> p({2, 24, 24}, {1, 0, 1, 1}, 0.1);
    p.target[100] = std::numeric_limits<float>::infinity();
    const kernel::loss_report report = run(loss::l1_ms_ssim{}, p);
    CHECK(report.refused == 1);
    CHECK(std::isfinite(report.value));
    const std::vector<double> g = p.gradient.values();
    CHECK(std::all_of(g.begin(), g.begin() + 576, [](double v) { return v == 0; }));
    CHECK(g[600] != 0);
}

TEST_CASE("a logit that is NaN shows in a structural loss and in its gradient") {
    alike<float> p({1, 24, 24}, {}, 0.1);
    p.logits[300] = std::numeric_limits<double>::quiet_NaN();
    p.stored = image<float>(4, p.s, p.where(), p.logits);
    CHECK(std::isnan(run(loss::l1_ms_ssim{}, p).value));
    CHECK(std::isnan(p.gradient.values()[300]));
}

TEST_CASE("options that a loss refuses are refused before anything is enqueued, in the loss's words") {
    const shape s{3, 16, 16};
    CHECK(message_of<error>([&] {
              cuda::check_options(umsrep::loss::cross_entropy{{1, 2}}, s);
          }) == "cross_entropy class_weights: expected 3 values or none, got 2");
    CHECK(message_of<error>([&] { cuda::check_options(umsrep::loss::charbonnier{0}, s); }) ==
          "charbonnier epsilon: expected a finite value > 0, got 0");
    CHECK(message_of<error>([&] { cuda::check_options(umsrep::loss::l1_ms_ssim{.alpha = 2}, s); }) ==
          "l1_ms_ssim alpha: expected a value in [0, 1], got 2");
}

} // namespace umsrep::test::device_losses
