// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/graph/lower.hpp>

namespace umsrep {

/// A decoder for any encoder, from its deepest stage back to an image of the encoder's size: (N, C', H', W') -> (N, C, H, W). Wherever a
/// stage is larger, bilinear enlargement, concatenation with that stage, convolution 3 x 3, batch-norm, relu; last a convolution 1 x 1.
/// `Width` channels in between; `Channels` at the end, 0: as many as the image has. Each size must divide the next larger one.
/// After Ronneberger et al., "U-Net", 2015, with one convolution per size: lighter than the encoder, which is what has to learn.
template <int Width = 16, int Channels = 0>
struct to_image {};

/// Adds the encoder's image: what stands before it learns a difference. Zhang et al., "Beyond a Gaussian denoiser", 2017.
struct add_image {};

constexpr int lower_layer(graph_builder& b, int x, add_image) { return detail::append_pair(b, op::add, "add_image", x, 0); }

template <int Width, int Channels>
constexpr int lower_layer(graph_builder& b, int x, to_image<Width, Channels>) {
    int step = 0;
    /// Enlarges x to the size of node `to`, and reads that node along unless it is the image.
    const auto grow = [&](int to) {
        const shape small = b.shape_of(x), large = b.shape_of(to);
        if (small.h >= large.h && small.w >= large.w) return;
        x = b.in(step++, [&] {
            attributes a{};
            a.kernel = {large.h / small.h, large.w / small.w};
            int y = b.in(0, [&] {
                return detail::append(b, x, op::upsample_bilinear, {small.c, small.h * a.kernel.h, small.w * a.kernel.w}, a);
            });
            if (b.shape_of(y).h != large.h || b.shape_of(y).w != large.w) {
                b.fail(misfit_kind::shape, "to_image", {}, {small.c, large.h, large.w}, b.shape_of(y));
                return x;
            }
            if (to != 0) y = b.in(1, [&] { return detail::append_pair(b, op::concat, "to_image", y, to); });
            return lower_layer(b, y, numbered<2, conv<Width, 3, no_bias>, batch_norm, relu>{});
        });
    };
    for (int s = b.value().stage_count() - 1; s-- > 0;) grow(b.value().stages[static_cast<std::size_t>(s)].output);
    grow(0);
    return b.in(step, [&] {
        const shape in = b.shape_of(x);
        node n{};
        n.kind = op::conv;
        n.inputs = {x, -1};
        n.out = {Channels > 0 ? Channels : b.shape_of(0).c, in.h, in.w};
        n.a.bias = true;
        return b.append(n, std::ptrdiff_t{n.out.c} * in.c, n.out.c);
    });
}

} // namespace umsrep
