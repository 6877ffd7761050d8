// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <tests/support/graph_writer.hpp>
#include <umsrep/core/random.hpp>

namespace umsrep::test {

/// A network as people build them, in random pieces: an encoder of convolutions with norms and rectifiers, residual and dense connections,
/// pools and strides; decoders that go back up to its skip connections, classifiers; one to three heads. Channels in blocks of 16 and not.
class random_network {
public:
    explicit random_network(random_stream& r) : r_{r}, w_{image(r)} {
        constexpr std::array<std::string_view, 4> stage_names{"e1", "e2", "e3", "e4"}, head_names{"a", "b", "c", "d"};
        const std::size_t stages = 1 + r.below(3), heads = 1 + r.below(3);
        int x = 0;
        for (std::size_t s = 0; s < stages; ++s) {
            w_.stage(stage_names[s]);
            if (s > 0) x = down(x);
            x = block(x, channels());
            for (std::uint32_t i = r.below(3); i > 0; --i) x = piece(x);
            skips_.push_back(x);
        }
        for (std::size_t h = 0; h < heads; ++h) {
            const std::size_t from = r.below(static_cast<std::uint32_t>(stages));
            w_.head(head_names[h], skips_[from]);
            if (chance(3)) classify(skips_[from]);
            else decode(from);
        }
    }

    graph value() { return w_.finish(); }

private:
    static shape image(random_stream& r) {
        constexpr int counts[] = {1, 1, 3, 16};
        return {counts[r.below(4)], static_cast<int>(4 + r.below(9)), static_cast<int>(4 + r.below(9))};
    }
    bool chance(std::uint32_t one_in) { return r_.below(one_in) == 0; }
    int channels() {
        constexpr int counts[] = {3, 8, 16, 16, 17, 32, 32, 33};
        return counts[r_.below(8)];
    }
    shape shape_of(int x) const { return w_.shape_of(x); }

    int activation(int x) {
        switch (r_.below(8)) {
        case 0: return w_.plain(x, op::leaky_relu, {.value = 0.1});
        case 1: return w_.plain(x, op::silu);
        case 2: return w_.plain(x, op::gelu);
        default: return w_.relu(x);
        }
    }
    int norm(int x) {
        if (chance(8)) return w_.plain(x, op::group_norm, {.groups = 1, .value = 1e-5});
        return w_.batch_norm(x);
    }
    int conv(int x, int c) {
        switch (r_.below(8)) {
        case 0: return w_.conv(x, c, {.bias = chance(2)});
        case 1: return w_.conv(x, c, {.kernel = {1, 5}, .padding = {0, 2}});
        case 2: return w_.conv(x, c, {.kernel = 3, .padding = 2, .dilation = 2, .bias = chance(2)});
        default: return w_.conv(x, c, {.kernel = 3, .padding = 1, .bias = chance(4)});
        }
    }
    int block(int x, int c) { return activation(norm(conv(x, c))); }
    int down(int x) {
        switch (r_.below(4)) {
        case 0: return w_.conv(x, channels(), {.kernel = 3, .stride = 2, .padding = 1});
        case 1: return w_.pool(x, op::avg_pool, {.kernel = 2, .stride = 2});
        case 2: return w_.pool(x, op::max_pool, {.kernel = 3, .stride = 2, .padding = 1});
        default: return w_.pool(x, op::max_pool, {.kernel = 2, .stride = 2});
        }
    }
    int piece(int x) {
        const int c = shape_of(x).c;
        switch (r_.below(7)) {
        case 0: return activation(w_.add(w_.batch_norm(conv(block(x, c), c)), x));                  // residual, He et al.
        case 1:
            return w_.add(conv(activation(norm(x)), c), x); // ... with the norm before: x has two readers
        case 2: return c <= 48 ? w_.concat(x, block(x, 16)) : block(x, c);                          // dense, Huang et al.
        case 3:
            return w_.conv(w_.relu(w_.batch_norm(w_.conv(x, c, {.kernel = 3, .padding = 1, .groups = c}))), channels(),
                           {}); // depthwise, pointwise
        case 4: return w_.plain(x, op::dropout, {.value = 0.25});
        case 5: return w_.add(w_.batch_norm(x), w_.relu(w_.batch_norm(x)));                         // two norms of one value
        default: return block(x, channels());
        }
    }
    void classify(int x) {
        if (chance(2)) x = block(x, channels());
        if (chance(3)) x = w_.put(linear_node(shape_of(x), 7, true), x);
        else x = w_.put(global_node(shape_of(x)), x);
        w_.put(linear_node(shape_of(x), 3, true), x);
    }
    /// Up to the skip connections that fit, and a prediction for every pixel.
    void decode(std::size_t from) {
        int x = skips_[from];
        for (std::size_t s = from; s-- > 0;) {
            const int c = channels();
            const int up = chance(3)   ? w_.put(upsample_node(chance(2) ? op::upsample_nearest : op::upsample_bilinear, shape_of(x), 2), x)
                           : chance(4) ? w_.conv_transpose(x, c, {.kernel = 4, .stride = 2, .padding = 1})
                                       : w_.conv_transpose(x, c, {.kernel = 2, .stride = 2, .bias = chance(2)});
            const int skip = skips_[s];
            const bool fits = shape_of(up).h == shape_of(skip).h && shape_of(up).w == shape_of(skip).w;
            x = block(!fits ? up : shape_of(up) == shape_of(skip) && chance(3) ? w_.add(up, skip) : w_.concat(up, skip), channels());
        }
        if (chance(2)) x = piece(x);
        w_.conv(x, static_cast<int>(1 + r_.below(3)), {.bias = true});
    }

    random_stream& r_;
    graph_writer w_;
    std::vector<int> skips_;
};

} // namespace umsrep::test
