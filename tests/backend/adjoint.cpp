// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <tests/backend/operation.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// <A x, y> = <x, A^T y> for a linear operation A: forward applies A to in, backward applies A^T to grad_out.
void check_adjoint(const node& n, int batch = 3) {
    operation<double> op(n, batch, 7);
    op.o.bias = nullptr;
    op.forward();
    op.backward();
    const double forward = inner(op.out, op.grad_out), backward = inner(op.in[0], op.grad_in[0]) + inner(op.in[1], op.grad_in[1]);
    CHECK(std::abs(forward - backward) <= 1e-12 * std::sqrt(inner(op.out, op.out) * inner(op.grad_out, op.grad_out)));
}

/// A window drawn at random that fits an image of `in`.
attributes random_window(random_stream& stream, shape in, bool dilated = true) {
    attributes a;
    const auto draw = [&](int low, int high) { return low + static_cast<int>(stream.below(static_cast<std::uint32_t>(high - low + 1))); };
    a.kernel = {draw(1, 4), draw(1, 4)};
    a.stride = {draw(1, 3), draw(1, 3)};
    if (dilated) a.dilation = {draw(1, a.kernel.h > 2 ? 2 : 3), draw(1, a.kernel.w > 2 ? 2 : 3)};
    a.padding = {draw(0, a.kernel.h / 2), draw(0, a.kernel.w / 2)};
    REQUIRE(a.dilation.h * (a.kernel.h - 1) < in.h);
    REQUIRE(a.dilation.w * (a.kernel.w - 1) < in.w);
    return a;
}

} // namespace

TEST_CASE("the backward pass of a convolution is its adjoint") {
    random_stream stream(seed{3}, "windows");
    for (int i = 0; i < 100; ++i) {
        const shape in{static_cast<int>(4 * (1 + stream.below(3))), static_cast<int>(8 + stream.below(6)), static_cast<int>(8 + stream.below(6))};
        attributes a = random_window(stream, in);
        a.groups = 1 << stream.below(3);
        INFO("draw " << i);
        check_adjoint(window_node(op::conv, in, static_cast<int>(4 * (1 + stream.below(3))), a));
        a.padding = 0;
        a.output_padding = {std::max(a.stride.h, a.dilation.h) - 1, std::max(a.stride.w, a.dilation.w) - 1};
        check_adjoint(window_node(op::conv_transpose, in, static_cast<int>(4 * (1 + stream.below(3))), a));
    }
}

TEST_CASE("transposed convolution is the adjoint of convolution") {
    random_stream stream(seed{4}, "windows");
    for (int i = 0; i < 100; ++i) {
        INFO("draw " << i);
        const shape small{8, static_cast<int>(5 + stream.below(6)), static_cast<int>(9 + stream.below(6))};
        attributes a = random_window(stream, {0, 100, 100});
        a.groups = 1 << stream.below(3);
        operation<double> up(window_node(op::conv_transpose, small, 4, a), 2, 1);
        operation<double> down(window_node(op::conv, up.n.out, 8, a), 2, 2);
        REQUIRE(down.n.out == small);
        down.weight = up.weight; // (8, 4 / groups, kh, kw) for both
        down.forward();
        up.forward();
        CHECK(inner(up.out, down.in[0]) == doctest::Approx(inner(up.in[0], down.out)).epsilon(1e-10));
    }
}

TEST_CASE("the backward pass of average pooling is its adjoint") {
    random_stream stream(seed{5}, "windows");
    for (int i = 0; i < 100; ++i) {
        const shape in{3, static_cast<int>(6 + stream.below(6)), static_cast<int>(6 + stream.below(6))};
        attributes a = random_window(stream, in, false);
        a.count_include_pad = i % 2 == 0;
        INFO("draw " << i);
        check_adjoint(window_node(op::avg_pool, in, in.c, a));
    }
    check_adjoint(global_node({3, 17, 70}));
}

TEST_CASE("the backward passes of upsampling, linear, concat and add are their adjoints") {
    for (const op kind : {op::upsample_nearest, op::upsample_bilinear})
        for (const extent factor : {extent{2}, extent{3}, extent{1, 5}}) check_adjoint(upsample_node(kind, {3, 5, 6}, factor));
    check_adjoint(linear_node({3, 5, 70}, 65, true), 33);
    check_adjoint(concat_node({3, 4, 5}, 2));
    check_adjoint(plain_node(op::add, {3, 4, 5}));
}
