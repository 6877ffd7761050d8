// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/graph/lower.hpp>
#include <umsrep/graph/mode.hpp>

namespace umsrep::test {

/// A network that nobody would write: random layers, skips, sums and taps; one to three heads on random stages. `wider`: times as many
/// channels.
template <int wider = 1>
graph random_graph(random_stream& r) {
    static constexpr std::string_view stage_names[] = {"e1", "e2", "e3", "e4"};
    static constexpr std::string_view head_names[] = {"a", "b", "c"};
    const auto chance = [&](std::uint32_t one_in) { return r.below(one_in) == 0; };

    graph_builder b({static_cast<int>(1 + r.below(3)), 8, 12});
    std::vector<int> reach{0}; // nodes that the next layer may read

    const auto layer = [&](int x) {
        switch (r.below(21)) {
        case 0: return lower_layer(b, x, conv<4 * wider, 3>{});
        case 1: return lower_layer(b, x, conv<6 * wider, 3, no_bias>{});
        case 2: return lower_layer(b, x, conv<3 * wider, 1>{});
        case 3: return b.shape_of(x).h > 1 ? lower_layer(b, x, max_pool<2>{}) : lower_layer(b, x, relu{});
        case 4: return b.shape_of(x).h > 1 ? lower_layer(b, x, avg_pool<2>{}) : lower_layer(b, x, silu{});
        case 5: return b.shape_of(x).h < 16 ? lower_layer(b, x, conv_transpose<4 * wider, 2, stride<2>>{}) : lower_layer(b, x, sigmoid{});
        case 6: return b.shape_of(x).h < 16 ? lower_layer(b, x, upsample_nearest<2>{}) : lower_layer(b, x, gelu{});
        case 7:
        case 8: return lower_layer(b, x, batch_norm{});
        case 9: return lower_layer(b, x, batch_norm_with<no_affine>{});
        case 10: return lower_layer(b, x, instance_norm{});
        case 11:
        case 12: return lower_layer(b, x, relu{});
        case 13: return lower_layer(b, x, leaky_relu{});
        case 14: return lower_layer(b, x, gelu{});
        case 15: return lower_layer(b, x, silu{});
        case 16: return lower_layer(b, x, sigmoid{});
        case 17: return lower_layer(b, x, softmax{});
        case 18: return lower_layer(b, x, seq<conv<4 * wider, 3, no_bias>, batch_norm, relu>{});
        case 19: return lower_layer(b, x, seq<conv<6 * wider, 3, no_bias>, batch_norm, silu>{});
        default: return lower_layer(b, x, dropout<0.5>{});
        }
    };
    const auto run = [&](int x, int length) {
        for (int i = 0; i < length; ++i) {
            if (chance(8)) x = reach[r.below(static_cast<std::uint32_t>(reach.size()))]; // branch off somewhere, perhaps leaving a dead end
            std::vector<int> same, same_plane;
            for (const int y : reach) {
                if (b.shape_of(y) == b.shape_of(x)) same.push_back(y);
                if (b.shape_of(y).h == b.shape_of(x).h && b.shape_of(y).w == b.shape_of(x).w) same_plane.push_back(y);
            }
            if (chance(4) && !same.empty())
                x = detail::append_pair(b, op::add, "add", x, same[r.below(static_cast<std::uint32_t>(same.size()))]);
            else if (chance(6) && !same_plane.empty() && b.shape_of(x).c < 20 * wider)
                x = detail::append_pair(b, op::concat, "concat", x, same_plane[r.below(static_cast<std::uint32_t>(same_plane.size()))]);
            else
                x = layer(x);
            reach.push_back(x);
        }
        return x;
    };

    int x = 0;
    const int stages = static_cast<int>(1 + r.below(4));
    (void)b.in("encoder", [&] {
        for (int s = 0; s < stages; ++s) {
            b.owner(s);
            const int first = b.size();
            x = b.in(stage_names[s], [&] { return run(x, static_cast<int>(1 + r.below(6))); });
            b.value().stages.push_back({stage_names[s], first, b.size(), x});
        }
        return x;
    });
    const std::vector<int> encoded = reach;
    const int heads = static_cast<int>(1 + r.below(3));
    for (int h = 0; h < heads; ++h) {
        reach = encoded;
        b.owner(stages + h);
        (void)b.in(head_names[h], [&] {
            head_info info{};
            info.name = head_names[h];
            info.first = b.size();
            info.tap = chance(2) ? x : b.value().stages[r.below(static_cast<std::uint32_t>(stages))].output;
            int y = info.tap;
            const int layers = static_cast<int>(r.below(4));
            for (int i = 0; i < layers; ++i) y = b.in(i, [&] { return run(y, static_cast<int>(r.below(5))); });
            info.logits = b.in(layers, [&] { return layer(y); });
            info.output = chance(2) ? lower_layer(b, info.logits, sigmoid{}) : info.logits;
            info.last = b.size();
            b.value().heads.push_back(info);
            return info.output;
        });
    }
    return b.value();
}

/// Every kind of mode for a network of so many stages and heads.
inline std::vector<mode> modes_of(const graph& g) {
    mode logits = infer::value(g.stage_count());
    logits.logits = true;
    std::vector<mode> result{infer::value(g.stage_count()), logits};
    std::vector<std::uint64_t> masks{~std::uint64_t{0}};
    for (int h = 0; h < g.head_count(); ++h) masks.push_back(std::uint64_t{1} << h);
    for (const std::uint64_t heads : masks) {
        mode one = infer::value(g.stage_count());
        one.heads = heads;
        result.push_back(one);
        for (int first = 0; first <= g.stage_count(); ++first)
            for (const norm_statistics norms : {norm_statistics::trained, norm_statistics::frozen, norm_statistics::adaptive}) {
                mode m{};
                m.training = true;
                m.heads = heads;
                m.first_trained_stage = first;
                m.norms = norms;
                result.push_back(m);
                m.checkpoint = true;
                result.push_back(m);
            }
    }
    return result;
}

} // namespace umsrep::test
