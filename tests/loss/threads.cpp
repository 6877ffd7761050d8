// SPDX-License-Identifier: MIT
#include <tests/loss/check_loss.hpp>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/charbonnier.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/focal.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/l1_ms_ssim.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/loss/ssim.hpp>

using namespace umsrep;

namespace {

/// Several pieces of work, none of them whole packs.
test::loss_case<double> image_case(shape s) {
    random_stream random{seed{7}, "threads"};
    return test::random_case(random, s, s, 1.0, [](random_stream& r) { return r.uniform(); });
}

test::loss_case<double> class_case(shape s) {
    random_stream random{seed{8}, "threads"};
    return test::random_case(random, s, {1, s.h, s.w}, 1.0, [&](random_stream& r) {
        return static_cast<float>(r.below(static_cast<std::uint32_t>(s.c)));
    });
}

} // namespace

TEST_CASE("losses have the same bits on any number of threads, and name the first of several wrong targets") {
    const auto images = image_case({2, 97, 93});
    test::check_threads(loss::l1{}, images);
    test::check_threads(loss::l2{}, images);
    test::check_threads(loss::charbonnier{}, images);
    test::check_threads(loss::bce{{2.0, 0.5}}, images);
    test::check_threads(loss::focal{}, images);
    test::check_threads(loss::dice{}, images);
    test::check_threads(loss::dice_bce{.pos_weight = {2.0, 0.5}}, images);
    test::check_threads(loss::ssim{}, images);
    test::check_threads(loss::l1_ms_ssim{}, images);
    const auto classes = class_case({3, 97, 93});
    test::check_threads(loss::cross_entropy{.class_weights = {1.0, 0.5, 2.0}, .label_smoothing = 0.1}, classes);
    test::check_threads(loss::focal_cross_entropy{}, classes);
}

TEST_CASE("a logit that is NaN shows in the loss and in its gradient") {
    const auto images = image_case({1, 13, 12});
    test::check_nan_shows(loss::l1{}, images);
    test::check_nan_shows(loss::l2{}, images);
    test::check_nan_shows(loss::charbonnier{}, images);
    test::check_nan_shows(loss::bce{}, images);
    test::check_nan_shows(loss::focal{}, images);
    test::check_nan_shows(loss::dice{}, images);
    test::check_nan_shows(loss::dice_bce{}, images);
    test::check_nan_shows(loss::ssim{}, images);
    test::check_nan_shows(loss::l1_ms_ssim{}, images);
    const auto classes = class_case({3, 5, 5});
    test::check_nan_shows(loss::cross_entropy{}, classes);
    test::check_nan_shows(loss::focal_cross_entropy{}, classes);
}
