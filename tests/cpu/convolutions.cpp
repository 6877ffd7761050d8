// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>

#include <tests/cpu/backends.hpp>
#include <tests/cpu/layers.hpp>
#include <tests/support/budget.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// A convolution behind a value whose gradient is wanted, or now and then as a network's first layer: outputs, all gradients.
template <class Backend>
void check_convolution(op kind, shape in, int channels, const attributes& a, int batch, int capacity, random_stream& r) {
    const node n = window_node(kind, in, channels, a);
    if (n.out.h < 1 || n.out.w < 1) return;
    const bool first = r.below(4) == 0;
    graph_writer w(first ? in : source_image(batch));
    w.stage("e1");
    const int x = first ? 0 : put_source(w, in);
    w.head("a", x);
    w.put(n, x);
    const graph g = w.finish();
    INFO(text_of(g, batch, capacity));
    graph_data d = draw_data(g, batch, r);
    if (!first) make_one_hot(d);
    const mode m = training_mode();
    const graph_oracle<double> oracle(g, m, d);
    parity p(g, oracle, tolerance<Backend>);
    CHECK(p.violation(run_graph<Backend>(g, m, d, {.capacity = capacity, .garbage = std::numeric_limits<float>::quiet_NaN()})) == "");
}

/// One of a list of values.
template <class T, std::size_t N>
T any_of(const T (&values)[N], random_stream& r) {
    return values[r.below(static_cast<std::uint32_t>(N))];
}

constexpr int channel_counts[] = {1, 3, 7, 8, 15, 16, 17, 33, 48, 100};
constexpr extent image_sizes[] = {{1, 1}, {1, 7}, {2, 2}, {3, 5}, {5, 4}, {13, 17}, {31, 33}, {64, 64}};
constexpr int batches[] = {1, 2, 3, 5};

} // namespace

TEST_CASE_TEMPLATE("3x3 convolutions agree with the reference for every pair of channel counts", Backend, fast, exact_only) {
    random_stream r(seed{31}, "convolutions");
    std::size_t at = 0;
    for (const int in : channel_counts)
        for (const int out : channel_counts)
            for (int k = 0; k < 2; ++k, ++at) { // two sizes in turn; for the costly pairs small ones
                const int batch = batches[at % 4];
                extent size = image_sizes[at * 3 % 8];
                if (in * out * batch * size.h * size.w > 40'000) size = image_sizes[at % 5];
                check_convolution<Backend>(op::conv, {in, size.h, size.w}, out, {.kernel = 3, .padding = 1, .bias = at % 2 == 0}, batch,
                                           batch + static_cast<int>(at % 3), r);
            }
}

TEST_CASE_TEMPLATE("convolutions of large images agree with the reference", Backend, fast, exact_only) {
    random_stream r(seed{32}, "convolutions");
    check_convolution<Backend>(op::conv, {16, 64, 64}, 32, {.kernel = 3, .padding = 1}, 1, 2, r);
    check_convolution<Backend>(op::conv, {33, 31, 33}, 17, {.kernel = 3, .padding = 1, .bias = true}, 3, 4, r);
    check_convolution<Backend>(op::conv, {1, 64, 64}, 48, {.kernel = 3, .padding = 1}, 2, 3, r);
    check_convolution<Backend>(op::conv, {100, 13, 17}, 100, {.kernel = 3, .padding = 1}, 1, 1, r);
    check_convolution<Backend>(op::conv, {64, 16, 16}, 64, {.kernel = 3, .padding = 1}, 1, 2, r);
    check_convolution<Backend>(op::conv, {256, 4, 4}, 128, {.kernel = 3, .padding = 1}, 1, 1, r);
    check_convolution<Backend>(op::conv, {96, 8, 220}, 48, {.kernel = 3, .padding = 1}, 2, 2, r);  // a row of Winograd's tiles in pieces
    check_convolution<Backend>(op::conv, {128, 24, 290}, 64, {.kernel = 3, .padding = 1}, 1, 1, r); // and more weights than a core's cache has
    check_convolution<Backend>(op::conv, {16, 36, 8}, 24, {.stride = 2}, 5, 5, r); // most gradients of the input are 0, of no sum at all
}

TEST_CASE_TEMPLATE("random convolutions agree with the reference", Backend, fast, exact_only) {
    constexpr seed s{33};
    INFO("seed " << s.value);
    constexpr extent kernels[] = {1, 3, 5, 7, {1, 5}, {3, 1}}, strides[] = {1, 1, 2, {2, 1}, 3};
    int checked = 0;
    for (std::uint64_t i = 0; i < tried(800); ++i) {
        random_stream r(s, "convolution", i);
        INFO("case " << i);
        attributes a{};
        a.kernel = any_of(kernels, r);
        a.stride = any_of(strides, r);
        a.padding = {static_cast<int>(r.below(4)), static_cast<int>(r.below(4))};
        a.dilation = static_cast<int>(1 + r.below(3));
        a.bias = r.below(2) == 0;
        int in = any_of(channel_counts, r), out = any_of(channel_counts, r);
        switch (r.below(4)) {
        case 0: // groups
            a.groups = static_cast<int>(2 + r.below(2));
            in = a.groups * static_cast<int>(1 + r.below(18));
            out = a.groups * static_cast<int>(1 + r.below(18));
            break;
        case 1: // depthwise, perhaps several outputs for each input
            a.groups = in;
            out = in * static_cast<int>(1 + r.below(2));
            break;
        default: break;
        }
        const extent size = any_of(image_sizes, r);
        const int batch = any_of(batches, r);
        const node n = window_node(op::conv, {in, size.h, size.w}, out, a);
        const std::ptrdiff_t numbers = batch * (n.in.size() + n.out.size()); // drawing them takes most of the time
        if (n.out.h < 1 || n.out.w < 1 || numbers > 40'000 || products_per_output(n) * static_cast<double>(batch * n.out.size()) > 1e6) continue;
        ++checked;
        check_convolution<Backend>(op::conv, n.in, out, a, batch, batch + static_cast<int>(r.below(3)), r);
    }
    CHECK(checked > static_cast<int>(tried(800) * 3 / 8));
}

TEST_CASE("the workspace of a transposed 3x3 convolution is enough for the gradient of its weights, which does not go by Winograd's method") {
    for (int in = 16; in <= 256; in += 16)
        for (int out = 16; out <= 256; out += 16)
            for (const int size : {12, 20, 32}) {
                const node n = window_node(op::conv_transpose, {in, size, size}, out, {.kernel = 3, .padding = 1});
                REQUIRE(fast::workspace_size(n, 4, 1, true) >= cpu_ops::plan_direct_weights(cpu_ops::correlation_of(n, 4), 1).workspace());
            }
}

TEST_CASE_TEMPLATE("transposed convolutions agree with the reference", Backend, fast, exact_only) {
    random_stream r(seed{34}, "convolutions");
    const attributes kinds[] = {{.kernel = 2, .stride = 2, .bias = true}, {.kernel = 2, .stride = 2},
                                {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1, .bias = true}, {.kernel = 4, .stride = 2, .padding = 1},
                                {.kernel = 3, .padding = 1, .bias = true}};
    constexpr int counts[] = {1, 5, 8, 16, 17, 48};
    std::size_t at = 0;
    for (const attributes& a : kinds)
        for (const int in : counts)
            for (const int out : counts) {
                const int batch = batches[++at % 4];
                extent size = image_sizes[at * 5 % 7];
                if (in * out * batch * size.h * size.w > 40'000) size = image_sizes[at % 5];
                check_convolution<Backend>(op::conv_transpose, {in, size.h, size.w}, out, a, batch, batch + static_cast<int>(at % 2), r);
            }
    check_convolution<Backend>(op::conv_transpose, {64, 16, 16}, 32, {.kernel = 2, .stride = 2, .bias = true}, 2, 2, r);
    for (const int groups : {2, 3, 16}) {
        check_convolution<Backend>(op::conv_transpose, {2 * groups, 5, 4}, 3 * groups, {.kernel = 2, .stride = 2, .groups = groups, .bias = true}, 2, 3, r);
        check_convolution<Backend>(op::conv_transpose, {groups, 3, 5}, groups, {.kernel = 3, .stride = 2, .padding = 1, .groups = groups}, 3, 3, r);
    }
    check_convolution<Backend>(op::conv_transpose, {7, 3, 5}, 9, {.kernel = {3, 2}, .stride = {1, 3}, .dilation = {2, 1}, .bias = true}, 2, 2, r);
}
