// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/graph/lower.hpp>

namespace umsrep {

/// A decoder that costs a tenth of its encoder: (N, C', H', W') of the deepest stage -> (N, Channels, H, W) of the encoder's image.
/// Each stage is brought to `Width` channels by a convolution 1 x 1; from the deepest on, bilinear enlargement, sum with the next larger
/// stage, convolution 3 x 3, batch-norm, relu. At the image's own size there are `Channels` only: the enlarged sums and a convolution 1 x 1
/// of the stage of that size, if there is one. `Channels` 0: as many as the image has. Each size must divide the next larger one.
/// After Lin et al., "Feature pyramid networks", 2017, with the single output of Kirillov et al., "Panoptic feature pyramid networks", 2019.
template <int Width = 16, int Channels = 1>
struct feature_pyramid {};

template <int Width, int Channels>
constexpr int lower_layer(graph_builder& b, int x, feature_pyramid<Width, Channels>) {
    int step = 0;
    const auto projected = [&](int from, int channels) {
        const shape in = b.shape_of(from);
        node n{};
        n.kind = op::conv;
        n.inputs = {from, -1};
        n.out = {channels, in.h, in.w};
        n.a.bias = true;
        return b.append(n, std::ptrdiff_t{channels} * in.c, channels);
    };
    const auto enlarged = [&](int from, shape to) {
        const shape small = b.shape_of(from);
        attributes a{};
        a.kernel = {to.h / small.h, to.w / small.w};
        const shape large{small.c, small.h * a.kernel.h, small.w * a.kernel.w};
        if (large.h != to.h || large.w != to.w) {
            b.fail(misfit_kind::shape, "feature_pyramid", {}, {small.c, to.h, to.w}, large);
            return from;
        }
        return large.h == small.h && large.w == small.w ? from : detail::append(b, from, op::upsample_bilinear, large, a);
    };
    const auto same_size = [](shape p, shape q) { return p.h == q.h && p.w == q.w; };

    const shape image = b.shape_of(0);
    const int channels = Channels > 0 ? Channels : image.c;
    const int detailed = b.value().stages[0].output; // of the image's size, or a smaller stage like the others
    if (x == detailed && same_size(b.shape_of(x), image)) return b.in(step, [&] { return projected(x, channels); });

    x = b.in(step++, [&] { return projected(x, Width); });
    for (int s = b.value().stage_count() - 1; s-- > 0;) {
        const int stage = b.value().stages[static_cast<std::size_t>(s)].output;
        if (same_size(b.shape_of(stage), image) || same_size(b.shape_of(stage), b.shape_of(x))) continue;
        x = b.in(step++, [&] {
            const int large = b.in(0, [&] { return enlarged(x, b.shape_of(stage)); });
            const int beside = b.in(1, [&] { return projected(stage, Width); });
            const int sum = b.in(2, [&] { return detail::append_pair(b, op::add, "feature_pyramid", large, beside); });
            return lower_layer(b, sum, numbered<3, conv<Width, 3, no_bias>, batch_norm, relu>{});
        });
    }
    x = b.in(step++, [&] { return projected(x, channels); });
    x = b.in(step++, [&] { return enlarged(x, image); });
    if (!same_size(b.shape_of(detailed), image)) return x;
    const int details = b.in(step++, [&] { return projected(detailed, channels); });
    return b.in(step, [&] { return detail::append_pair(b, op::add, "feature_pyramid", x, details); });
}

} // namespace umsrep
