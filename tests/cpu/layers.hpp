// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <tests/support/graph_parity.hpp>
#include <tests/support/graph_writer.hpp>

/// Layers, and what may stand before them: the cross product is what a backend that leaves norms, rectifiers and concatenations to their
/// readers has to get right.
namespace umsrep::test {

struct layer_case {
    std::string name;
    std::function<int(graph_writer&, int)> put;
    shape at_least{1, 1, 1};  ///< input that it needs
    int channels_divide_by = 1;
};

inline layer_case conv_case(std::string name, int channels, attributes a) {
    const shape least{1, a.dilation.h * (a.kernel.h - 1) + 1 - 2 * a.padding.h, a.dilation.w * (a.kernel.w - 1) + 1 - 2 * a.padding.w};
    return {std::move(name), [=](graph_writer& w, int x) { return w.conv(x, channels, a); }, least, a.groups};
}
inline layer_case conv_transpose_case(std::string name, int channels, attributes a) {
    return {std::move(name), [=](graph_writer& w, int x) { return w.conv_transpose(x, channels, a); }, {1, 1, 1}, a.groups};
}
inline layer_case pool_case(std::string name, op kind, attributes a) {
    return {std::move(name),
            [=](graph_writer& w, int x) { return w.pool(x, kind, a); },
            {1, a.kernel.h - 2 * a.padding.h, a.kernel.w - 2 * a.padding.w}};
}
inline layer_case plain_case(std::string name, op kind, attributes a = {}) {
    return {std::move(name), [=](graph_writer& w, int x) { return w.plain(x, kind, a); }, {1, 1, 1}, kind == op::group_norm ? a.groups : 1};
}

/// Every operation that reads one value, with options that leave remainders.
inline std::vector<layer_case> every_layer() {
    return {
        conv_case("conv 3x3", 24, {.kernel = 3, .padding = 1}),
        conv_case("conv 3x3, bias", 5, {.kernel = 3, .padding = 1, .bias = true}),
        conv_case("conv 3x3, no padding", 16, {.kernel = 3, .bias = true}),
        conv_case("conv 3x3, padding 2", 16, {.kernel = 3, .padding = 2}),
        conv_case("conv 3x3, stride 2", 17, {.kernel = 3, .stride = 2, .padding = 1}),
        conv_case("conv 3x3, dilation 2", 17, {.kernel = 3, .padding = 2, .dilation = 2}),
        conv_case("conv 1x1", 33, {.bias = true}),
        conv_case("conv 1x1 to one channel", 1, {.bias = true}),
        conv_case("conv 1x1, stride 2", 8, {.stride = 2}),
        conv_case("conv 5x5", 7, {.kernel = 5, .padding = 2, .bias = true}),
        conv_case("conv 1x5", 16, {.kernel = {1, 5}, .padding = {0, 2}}),
        conv_case("conv, 2 groups", 6, {.kernel = 3, .padding = 1, .groups = 2, .bias = true}),
        {"conv, depthwise",
         [](graph_writer& w, int x) {
             const int c = w.shape_of(x).c;
             return w.conv(x, c, {.kernel = 3, .padding = 1, .groups = c, .bias = true});
         }},
        conv_transpose_case("conv_transpose 2x2, stride 2", 16, {.kernel = 2, .stride = 2, .bias = true}),
        conv_transpose_case("conv_transpose 2x2, stride 2, odd", 5, {.kernel = 2, .stride = 2}),
        conv_transpose_case("conv_transpose 3x3, stride 2", 9,
                            {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1, .bias = true}),
        conv_transpose_case("conv_transpose 4x4, stride 2", 20, {.kernel = 4, .stride = 2, .padding = 1}),
        conv_transpose_case("conv_transpose, 2 groups", 4, {.kernel = 3, .groups = 2}),
        plain_case("batch_norm", op::batch_norm, {.value = 1e-5}),
        plain_case("batch_norm, no affine", op::batch_norm, {.affine = false, .value = 1e-5}),
        plain_case("instance_norm", op::group_norm, {.groups = 1, .value = 1e-5}),
        plain_case("group_norm, 2", op::group_norm, {.groups = 2, .value = 1e-5}),
        plain_case("relu", op::relu),
        plain_case("leaky_relu", op::leaky_relu, {.value = 0.1}),
        plain_case("gelu", op::gelu),
        plain_case("silu", op::silu),
        plain_case("sigmoid", op::sigmoid),
        plain_case("softmax", op::softmax),
        plain_case("dropout", op::dropout, {.value = 0.3}),
        pool_case("max_pool 2", op::max_pool, {.kernel = 2, .stride = 2}),
        pool_case("max_pool 3, stride 2", op::max_pool, {.kernel = 3, .stride = 2, .padding = 1}),
        pool_case("avg_pool 2", op::avg_pool, {.kernel = 2, .stride = 2}),
        pool_case("avg_pool 3, stride 2", op::avg_pool, {.kernel = 3, .stride = 2, .padding = 1}),
        pool_case("avg_pool 3, inside only", op::avg_pool, {.kernel = 3, .stride = 1, .padding = 1, .count_include_pad = false}),
        {"global_max_pool",
         [](graph_writer& w, int x) {
             const extent all{w.shape_of(x).h, w.shape_of(x).w};
             return w.pool(x, op::max_pool, {.kernel = all, .stride = all});
         }},
        {"global_avg_pool", [](graph_writer& w, int x) { return w.put(global_node(w.shape_of(x)), x); }},
        {"upsample_nearest 2",
         [](graph_writer& w, int x) { return w.put(upsample_node(op::upsample_nearest, w.shape_of(x), 2), x); }},
        {"upsample_bilinear 2x3",
         [](graph_writer& w, int x) {
             return w.put(upsample_node(op::upsample_bilinear, w.shape_of(x), {2, 3}), x);
         }},
        {"linear", [](graph_writer& w, int x) { return w.put(linear_node(w.shape_of(x), 19, true), x); }},
        {"add of itself", [](graph_writer& w, int x) { return w.add(x, x); }},
        {"concat with itself", [](graph_writer& w, int x) { return w.concat(x, x); }},
        {"conv, batch_norm, relu",
         [](graph_writer& w, int x) { return w.relu(w.batch_norm(w.conv(x, 18, {.kernel = 3, .padding = 1}))); }},
    };
}

/// A value of any shape whose gradient can be seen: with the images of `one_hot`, sample n of it is row n of this node's weight, and the
/// gradient of that row is the gradient of that sample.
inline int put_source(graph_writer& w, shape s) { return w.conv_transpose(0, s.c, {.kernel = {s.h, s.w}}); }
inline shape source_image(int batch) { return {batch, 1, 1}; }

inline void make_one_hot(graph_data& d) {
    std::fill(d.images.begin(), d.images.end(), 0.0f);
    for (int n = 0; n < d.batch; ++n) d.images[static_cast<std::size_t>(n * d.batch + n)] = 1;
}

/// What stands before a layer.
enum class before {
    image,     ///< the network's input: no gradient
    source,    ///< a stored value
    norm,      ///< batch_norm
    block,     ///< batch_norm, relu
    joined,    ///< a concatenation of two blocks, the first of 16 or 32 channels
    joined_raw,///< a concatenation of a stored value and a block
    summed,    ///< a block plus a stored value
};
inline constexpr before every_before[] = {before::image,  before::source,     before::norm,  before::block,
                                          before::joined, before::joined_raw, before::summed};
inline std::string to_string(before b) {
    constexpr const char* names[] = {"image", "source", "norm", "block", "joined", "joined_raw", "summed"};
    return names[static_cast<int>(b)];
}

enum class other_reader { none, first, second };

/// A network of one layer behind something, with shape `s` of two channels or more between them; perhaps with another reader of the same
/// value, a head of its own, whose gradient comes first or second.
inline graph put_together(before what, shape s, const layer_case& layer, int batch, other_reader other = other_reader::none) {
    graph_writer w(what == before::image ? s : source_image(batch));
    w.stage("e1");
    const auto block = [&](shape part) { return w.relu(w.batch_norm(put_source(w, part))); };
    const auto value = [&]() -> int {
        const int head = s.c > 32 ? 32 : s.c > 16 ? 16 : s.c > 1 ? 1 : 0; // of a concatenation
        const shape first{head, s.h, s.w}, second{s.c - head, s.h, s.w};
        switch (what) {
        case before::image: return 0;
        case before::source: return put_source(w, s);
        case before::norm: return w.batch_norm(put_source(w, s));
        case before::block: return block(s);
        case before::joined: return w.concat(block(first), block(second));
        case before::joined_raw: return w.concat(put_source(w, first), block(second));
        case before::summed: return w.add(block(s), put_source(w, s));
        }
        return 0;
    };
    const int x = value();
    const auto put_other = [&] {
        w.head("b", x);
        w.conv(x, 3, {.bias = true});
    };
    if (other == other_reader::first) put_other();
    w.head("a", x);
    layer.put(w, x);
    if (other == other_reader::second) put_other();
    return w.finish();
}

inline mode training_mode() {
    mode m{};
    m.training = true;
    return m;
}

} // namespace umsrep::test
