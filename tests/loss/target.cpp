// SPDX-License-Identifier: MIT
#include <umsrep/loss/target.hpp>

#include <doctest/doctest.h>

#include <type_traits>

#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/charbonnier.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/focal.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/l1_ms_ssim.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/loss/loss_function.hpp>
#include <umsrep/loss/ms_ssim.hpp>
#include <umsrep/loss/ssim.hpp>

using namespace umsrep;

namespace {

template <class Loss>
constexpr bool is(target_kind kind, output_activation activation) {
    static_assert(loss::loss_function<Loss>);
    static_assert(std::is_aggregate_v<Loss>);
    return Loss::target == kind && Loss::output == activation;
}

} // namespace

TEST_CASE("every loss names the kind of its target and the activation of its head") {
    using enum target_kind;
    using enum output_activation;
    static_assert(is<loss::bce>(mask, sigmoid) && is<loss::multi_label_bce>(multi_label, sigmoid));
    static_assert(is<loss::focal>(mask, sigmoid) && is<loss::multi_label_focal>(multi_label, sigmoid));
    static_assert(is<loss::dice>(mask, sigmoid) && is<loss::dice_bce>(mask, sigmoid));
    static_assert(is<loss::cross_entropy>(class_index, softmax) && is<loss::focal_cross_entropy>(class_index, softmax));
    static_assert(is<loss::l1>(image, none) && is<loss::l2>(image, none) && is<loss::charbonnier>(image, none));
    static_assert(is<loss::ssim>(image, none) && is<loss::ms_ssim>(image, none) && is<loss::l1_ms_ssim>(image, none));
    static_assert(is<loss::scalar_l1>(scalar, none) && is<loss::scalar_l2>(scalar, none));
    static_assert(is<loss::with_target<loss::charbonnier, scalar>>(scalar, none));
}

TEST_CASE("a target is as the output, only class labels have one channel") {
    static_assert(loss::dice_bce::target_shape({2, 64, 48}) == shape{2, 64, 48});
    static_assert(loss::cross_entropy::target_shape({4, 64, 48}) == shape{1, 64, 48});
    static_assert(loss::focal_cross_entropy::target_shape({3, 1, 1}) == shape{1, 1, 1});
}

TEST_CASE("kinds and activations have names for messages") {
    CHECK(name(target_kind::class_index) == "class_index");
    CHECK(name(output_activation::softmax) == "softmax");
}

TEST_CASE("a loss for another kind of target keeps its options") {
    const loss::multi_label_bce weighted{{.pos_weight = {2.0, 3.0}}};
    CHECK(weighted.pos_weight.size() == 2);
}
