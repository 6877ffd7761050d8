// SPDX-License-Identifier: MIT
#include <array>

#include <doctest/doctest.h>

#include <umsrep/backend/cpu/families.hpp>

using namespace umsrep;

namespace {

constexpr cpu_families families_of_one(op kind, int groups = 1) {
    node n;
    n.kind = kind;
    n.a.groups = groups;
    return families_of(std::array{node{}, n});
}

} // namespace

TEST_CASE("a network has the families of its operations and no others") {
    for (const op kind : {op::leaky_relu, op::gelu, op::silu}) CHECK(families_of_one(kind).activations);
    for (const op kind : {op::conv, op::conv_transpose}) CHECK(families_of_one(kind, 4).depthwise);
    CHECK(families_of_one(op::avg_pool).averages);
    CHECK(families_of_one(op::dropout).dropout);
    CHECK(families_of_one(op::group_norm).group_norm);
    for (const op kind : {op::upsample_nearest, op::upsample_bilinear}) CHECK(families_of_one(kind).upsampling);
    for (const op kind : {op::conv, op::conv_transpose, op::batch_norm, op::relu, op::sigmoid, op::max_pool, op::linear, op::concat})
        CHECK(core_families.covers(families_of_one(kind)));
}

TEST_CASE("families cover those that they have") {
    CHECK(cpu_families{}.covers(core_families));
    for (const op kind : {op::gelu, op::avg_pool, op::dropout, op::group_norm, op::upsample_nearest}) {
        CHECK(families_of_one(kind).covers(families_of_one(kind)));
        CHECK(cpu_families{}.covers(families_of_one(kind)));
        CHECK_FALSE(core_families.covers(families_of_one(kind)));
    }
    CHECK_FALSE(core_families.covers(families_of_one(op::conv, 4)));
    CHECK_FALSE(families_of_one(op::gelu).covers(families_of_one(op::group_norm)));
}
