// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <tests/cuda/loss_problem.hpp>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/charbonnier.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/focal.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/l2.hpp>

namespace umsrep::test::kernel_losses {

using namespace kernel_images;
using namespace loss_problems;
namespace kernel = cuda::kernel;
using kernel::map_on_host;
using kernel::reduce_on_host;

template <class T>
kernel::loss_share share_of(const problem<T>& p, double each) {
    kernel::loss_share share;
    reduce_on_host(kernel::share_of_present{static_cast<unsigned>(p.n), each, p.present(), p.factors(), &share});
    return share;
}

template <class F, class T>
kernel::loss_report run_elements(F f, problem<T>& p, bool with_gradient = true) {
    const extents e = p.e();
    const kernel::loss_share share = share_of(p, static_cast<double>(e.plane()) * e.c);
    const kernel::two_steps step = kernel::cut(e.size(), 64);
    std::vector<kernel::loss_sum> partial(step.count);
    const pixels<T> gradient = with_gradient ? p.gradient.view() : pixels<T>{nullptr, 0};
    reduce_on_host(kernel::element_loss<F, T>{f, e, step, p.stored.read(), p.target.data(), p.present(), &share, gradient, partial.data()});
    kernel::loss_report report;
    reduce_on_host(kernel::loss_total{step.count, partial.data(), &share, &report});
    return report;
}

constexpr shape image_shapes[] = {{1, 9, 7}, {3, 5, 5}, {13, 1, 1}, {1, 1, 1}};

template <class T, class F, class Loss, class Draw>
void check_elements(F f, const Loss& loss, Draw draw) {
    for (const shape s : image_shapes)
        for (const auto& mask : masks) {
            INFO(s.c << " x " << s.h << " x " << s.w << ", " << mask.size() << " in the mask");
            problem<T> p(s, s, mask, draw);
            const kernel::loss_report report = run_elements(f, p);
            p.check(loss, report);
            CHECK(run_elements(f, p, false).value == report.value);
        }
}

float any_number(random_stream& r) { return r.normal(); }
float zero_or_one(random_stream& r) { return static_cast<float>(r.below(2)); }
float probability(random_stream& r) { return r.uniform(); }

TEST_CASE_TEMPLATE("losses of elements and their gradients are the project's losses, masks included", T, float, fp16) {
    check_elements<T>(kernel::l1_loss{}, loss::l1{}, any_number);
    check_elements<T>(kernel::l2_loss{}, loss::l2{}, any_number);
    check_elements<T>(kernel::charbonnier_loss{0.25f}, loss::charbonnier{0.25}, any_number);
    check_elements<T>(kernel::bce_loss{nullptr}, loss::bce{}, probability);
    check_elements<T>(kernel::focal_loss{2, 0.25f, 0.75f}, loss::focal{}, zero_or_one);
    check_elements<T>(kernel::focal_loss{0.5f, 1, 1}, loss::focal{.gamma = 0.5, .alpha = std::nullopt}, probability);
}

TEST_CASE("binary cross-entropy weighs the positives of each channel") {
    const shape s{3, 4, 5};
    const std::vector<float> weights{2, 0.5f, 0};
    problem<float> p(s, s, {1, 1, 0, 1}, zero_or_one);
    p.check(loss::bce{{2, 0.5, 0}}, run_elements(kernel::bce_loss{weights.data()}, p));
}

TEST_CASE("logits far out have finite losses and slopes") {
    const shape s{1, 1, 1};
    for (const double logit : {-80.0, 80.0, -3e4, 3e4})
        for (const float target : {0.0f, 1.0f}) {
            problem<float> p(s, s, {}, [&](random_stream&) { return target; });
            p.logits.assign(4, logit);
            p.stored = image<float>(4, s, p.where(), p.logits);
            p.check(loss::bce{}, run_elements(kernel::bce_loss{nullptr}, p));
            const kernel::loss_report report = run_elements(kernel::focal_loss{2, 0.25f, 0.75f}, p);
            const double miss = (logit > 0) == (target > 0) ? 0 : std::abs(logit), alpha = target > 0 ? 0.25 : 0.75;
            CHECK(report.value == doctest::Approx(alpha * miss)); // all right costs nothing, all wrong its entropy
            for (const double g : p.gradient.values()) CHECK(std::abs(g) == doctest::Approx(miss > 0 ? alpha * 768 / 4 : 0));
        }
}

template <class T>
kernel::loss_report run_overlap(const kernel::overlap_options& options, problem<T>& p) {
    const extents e = p.e();
    const kernel::loss_share share = share_of(p, e.c);
    const kernel::two_steps step = kernel::cut(e.plane(), 16);
    const std::size_t planes = std::size_t{e.n} * e.c;
    std::vector<kernel::overlap_sums> partial(planes * step.count);
    std::vector<kernel::plane_overlap> overlaps(planes);
    std::vector<kernel::loss_sum> values(planes);
    reduce_on_host(kernel::overlap_pieces<T>{options, e, step, p.stored.read(), p.target.data(), p.present(), partial.data()});
    reduce_on_host(kernel::overlap_planes{options, e, step.count, partial.data(), p.present(), &share, overlaps.data(), values.data()});
    kernel::loss_report report;
    reduce_on_host(kernel::loss_total{static_cast<unsigned>(planes), values.data(), &share, &report});
    map_on_host(kernel::overlap_gradient<T>{options, e, p.stored.read(), p.target.data(), p.present(), &share, overlaps.data(),
                                            p.gradient.view()});
    return report;
}

TEST_CASE_TEMPLATE("Dice with cross-entropy and its gradient are the project's, masks included", T, float, fp16) {
    const std::vector<float> weights{2, 0.5f, 1.5f};
    for (const auto& mask : masks) {
        for (const shape s : image_shapes) {
            problem<T> p(s, s, mask, zero_or_one);
            p.check(loss::dice_bce{}, run_overlap({1, 1, 1, {nullptr}}, p));
            p.check(loss::dice{.smooth = 2}, run_overlap({2, 1, 0, {nullptr}}, p));
        }
        problem<T> p({3, 8, 6}, {3, 8, 6}, mask, probability);
        p.check(loss::dice_bce{.dice_weight = 0.25, .bce_weight = 2, .smooth = 0.5, .pos_weight = {2, 0.5, 1.5}},
                run_overlap({0.5f, 0.25f, 2, {weights.data()}}, p));
    }
}

TEST_CASE("an empty mask without smoothing costs nothing and has no slope") {
    const shape s{1, 3, 3};
    problem<float> p(s, s, {}, [](random_stream&) { return 0.0f; });
    p.logits.assign(p.logits.size(), -200); // sigmoid: 0 in float
    p.stored = image<float>(4, s, p.where(), p.logits);
    CHECK(run_overlap({0, 1, 0, {nullptr}}, p).value == 0);
    for (const double g : p.gradient.values()) CHECK(g == 0);
}

/// What the losses of classes have in common; `Body` is a kernel of them.
template <class T>
struct class_problem : problem<T> {
    const int ignore;
    class_problem(shape sample, const std::vector<std::uint8_t>& present, int ignored)
        : problem<T>(sample, {1, sample.h, sample.w}, present,
                     [&](random_stream& r) {
                         const auto drawn = static_cast<float>(r.below(static_cast<std::uint32_t>(sample.c)));
                         return r.below(5) == 0 ? static_cast<float>(ignored) : drawn;
                     }),
          ignore{ignored} {}

    kernel::labels labels(const float* weights) const {
        return {this->target.data(), this->present(), static_cast<unsigned>(this->s.c), ignore, weights};
    }

    /// `run(share, values)` runs the loss's own kernel; labels weigh `counted` in its share.
    template <class Run>
    kernel::loss_report evaluate(const float* counted, Run run) const {
        const extents e = this->e();
        const kernel::two_steps step = kernel::cut(e.pixels(), 16);
        std::vector<kernel::loss_sum> partial(step.count);
        kernel::loss_share share;
        std::vector<float> values(static_cast<std::size_t>(e.pixels()));
        reduce_on_host(kernel::label_weights{labels(counted), e, step, partial.data()});
        reduce_on_host(kernel::share_of_labels{step.count, partial.data(), this->factors(), &share});
        run(share, values.data());
        reduce_on_host(kernel::sum_values{e.pixels(), step, values.data(), partial.data()});
        kernel::loss_report report;
        reduce_on_host(kernel::loss_total{step.count, partial.data(), &share, &report});
        return report;
    }

    kernel::loss_report cross_entropy(const std::vector<float>& weights, double smoothing) {
        const float* const w = weights.empty() ? nullptr : weights.data();
        double all = 0;
        for (unsigned c = 0; c < this->e().c; ++c) all += static_cast<double>(labels(w).weight(c));
        return evaluate(w, [&](const kernel::loss_share& share, float* values) {
            const auto hard = static_cast<float>(1 - smoothing), soft = static_cast<float>(smoothing / this->s.c);
            reduce_on_host(kernel::cross_entropy<T>{labels(w), hard, soft, static_cast<float>(all), this->e(), this->stored.read(), &share,
                                                    values, this->gradient.view()});
        });
    }
    kernel::loss_report focal(const std::vector<float>& weights, float gamma) {
        const float* const w = weights.empty() ? nullptr : weights.data();
        return evaluate(nullptr, [&](const kernel::loss_share& share, float* values) {
            reduce_on_host(kernel::focal_cross_entropy<T>{labels(w), gamma, this->e(), this->stored.read(), &share, values,
                                                          this->gradient.view()});
        });
    }
};

TEST_CASE_TEMPLATE("losses of classes are the project's: weights, smoothing, ignored labels, masks", T, float, fp16) {
    for (const auto& mask : masks)
        for (const shape s : {shape{3, 7, 5}, shape{2, 1, 1}, shape{40, 3, 2}, shape{1, 2, 2}, shape{300, 1, 1}})
            for (const int ignore : {-100, 0}) {
                INFO(s.c << " classes, " << mask.size() << " in the mask, ignored label " << ignore);
                std::vector<float> weights;
                for (int c = 0; c < s.c; ++c) weights.push_back(static_cast<float>(c % 3) * 0.5f + 0.25f);
                const std::vector<double> same(weights.begin(), weights.end());
                class_problem<T> p(s, mask, ignore);
                // p - 1 cancels where a class is all but certain.
                p.check(loss::cross_entropy{.ignore_label = ignore}, p.cross_entropy({}, 0), 1e-6, 8);
                p.check(loss::cross_entropy{same, ignore, 0.125}, p.cross_entropy(weights, 0.125), 1e-6, 8);
                p.check(loss::focal_cross_entropy{.ignore_label = ignore}, p.focal({}, 2), 3e-6);
                p.check(loss::focal_cross_entropy{1.5, same, ignore}, p.focal(weights, 1.5f), 3e-6);
            }
}

TEST_CASE("targets that are not of the loss's kind are counted, teach nothing and do not hide the others") {
    const shape s{1, 4, 4};
    problem<float> p(s, s, {1, 0, 1, 1}, probability);
    p.target[3] = 1.5f;
    p.target[17] = -1; // of the absent sample
    p.target[40] = std::numeric_limits<float>::quiet_NaN();
    CHECK(run_elements(kernel::bce_loss{nullptr}, p).refused == 2);
    CHECK(std::isfinite(run_elements(kernel::bce_loss{nullptr}, p).value));
    CHECK(p.gradient.values()[3] == 0);
    CHECK(p.gradient.values()[4] != 0);
    CHECK(run_overlap({1, 1, 1, {nullptr}}, p).refused == 2);
    CHECK(p.gradient.values()[40] == 0);

    class_problem<float> c({3, 4, 4}, {1, 0, 1, 1}, -100);
    for (const auto& [place, label] : {std::pair{3, 3.0f}, std::pair{4, 0.5f}, std::pair{5, -1.0f}, std::pair{20, 7.0f}})
        c.target[static_cast<std::size_t>(place)] = label; // the last one of the absent sample
    CHECK(c.cross_entropy({}, 0).refused == 3);
    CHECK(c.focal({}, 2).refused == 3);
    for (const std::size_t pixel : {3u, 4u, 5u}) CHECK(c.gradient.values()[pixel] == 0);
}

TEST_CASE("a logit that is NaN shows in the loss and in its gradient") {
    const shape s{2, 3, 3};
    problem<float> p(s, s, {}, probability);
    p.logits[20] = std::numeric_limits<double>::quiet_NaN();
    p.stored = image<float>(4, s, p.where(), p.logits);
    for (const double value : {run_elements(kernel::l1_loss{}, p).value, run_elements(kernel::l2_loss{}, p).value,
                               run_elements(kernel::bce_loss{nullptr}, p).value, run_overlap({1, 1, 1, {nullptr}}, p).value}) {
        CHECK(std::isnan(value));
        CHECK(std::isnan(p.gradient.values()[20]));
    }
    class_problem<float> c({3, 2, 2}, {}, -100);
    c.target.assign(c.target.size(), 1);
    c.logits[5] = std::numeric_limits<double>::quiet_NaN();
    c.stored = image<float>(4, c.s, c.where(), c.logits);
    CHECK(std::isnan(c.cross_entropy({}, 0).value));
    CHECK(std::isnan(c.gradient.values()[5]));
    CHECK(std::isnan(c.focal({}, 2).value));
    CHECK(std::isnan(c.gradient.values()[5]));
}

} // namespace umsrep::test::kernel_losses
