// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <tests/backend/operation.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// Every gradient of the operation against central differences.
void check_gradients(const node& n, int batch, bool batch_statistics = true, double tolerance = 1e-6) {
    operation<double> op(n, batch, 42);
    op.o.batch_statistics = batch_statistics;
    op.forward();
    op.backward();
    const auto check = [&](const char* name, std::vector<double>& x, const std::vector<double>& gradient) {
        if (x.empty()) return;
        const std::vector<double> analytic = gradient;
        const auto e = check_gradient([&] { return op.loss(); }, std::span{x}, std::span{analytic}, 200);
        INFO(name << "[" << e.where << "]: backward " << e.analytic << ", differences " << e.numeric);
        CHECK(e.relative < tolerance);
    };
    check("input 0", op.in[0], op.grad_in[0]);
    check("input 1", op.in[1], op.grad_in[1]);
    check("weight", op.weight, op.grad_weight);
    check("bias", op.bias, op.grad_bias);
}

constexpr shape odd{6, 7, 9};

attributes window(extent kernel, extent stride = 1, extent padding = 0, extent dilation = 1, int groups = 1, extent output_padding = 0) {
    return {.kernel = kernel, .stride = stride, .padding = padding, .dilation = dilation, .output_padding = output_padding, .groups = groups, .bias = true};
}

} // namespace

TEST_CASE("gradients of convolution are its numerical derivatives") {
    const attributes cases[] = {
        window(3, 1, 1), window(1), window({1, 3}, 1, {0, 1}), window({3, 2}, 2, {1, 0}), window(3, {2, 1}, 1), window(3, 3, 2), window(3, 1, 2, 2),
        window({2, 3}, 2, {1, 3}, {2, 3}), window(3, 1, 1, 1, 2), window(3, 2, 1, 1, 3), window(3, 1, 1, 1, 6), window({3, 2}, {2, 1}, 1, {1, 2}, 6),
        window(2, 1, 3), window(5, 1, 0), window(1, 2), window(2, 4, 0), window(1, 1, 1),
    };
    for (const attributes& a : cases)
        for (const int batch : {1, 3}) {
            INFO("kernel " << a.kernel.h << "x" << a.kernel.w << " stride " << a.stride.h << "x" << a.stride.w << " padding " << a.padding.h << "x"
                           << a.padding.w << " dilation " << a.dilation.h << "x" << a.dilation.w << " groups " << a.groups << " batch " << batch);
            check_gradients(window_node(op::conv, odd, 12, a), batch);
            check_gradients(window_node(op::conv, odd, 6, a), batch);
        }
}

TEST_CASE("gradients of convolution with one channel, one map, one pixel are its numerical derivatives") {
    check_gradients(window_node(op::conv, {1, 9, 8}, 5, window(3, 1, 1)), 2);
    check_gradients(window_node(op::conv, {5, 9, 8}, 1, window(3, 1, 1)), 2);
    check_gradients(window_node(op::conv, {1, 9, 8}, 1, window(3, 1, 1)), 2);
    check_gradients(window_node(op::conv, {5, 1, 1}, 4, window(1)), 2);
    check_gradients(window_node(op::conv, {5, 1, 1}, 4, window(3, 1, 1)), 1);
    check_gradients(window_node(op::conv, {7, 3, 3}, 4, window(1)), 1);
}

TEST_CASE("gradients of convolution are right beyond one tile of the matrices") {
    check_gradients(window_node(op::conv, {40, 13, 17}, 36, window(3, 1, 1)), 2);
    check_gradients(window_node(op::conv, {20, 21, 19}, 40, window(5, 2, 2)), 2);
    check_gradients(window_node(op::conv, {150, 5, 5}, 33, window(1)), 2);
    check_gradients(window_node(op::conv, {2, 40, 30}, 3, window({9, 7}, 3, 4)), 2);
}

TEST_CASE("gradients of transposed convolution are its numerical derivatives") {
    const attributes cases[] = {
        window(2, 2), window(3, 2, 1, 1, 1, 1), window(3, 1, 1), window({3, 2}, {2, 3}, {1, 0}), window(3, 1, 1, 2), window(4, 2, 1), window(1),
        window(3, 3, 0, 2, 1, {2, 1}), window(2, 2, 0, 1, 2), window(3, 2, 1, 1, 6, 1), window(3, 1, 0, 1, 6), window(3, 1, 2, 2, 3, {1, 0}), window(1, 3, 0, 1, 1, 2),
    };
    for (const attributes& a : cases)
        for (const int batch : {1, 3}) {
            INFO("kernel " << a.kernel.h << "x" << a.kernel.w << " stride " << a.stride.h << "x" << a.stride.w << " padding " << a.padding.h << "x"
                           << a.padding.w << " dilation " << a.dilation.h << "x" << a.dilation.w << " groups " << a.groups << " batch " << batch);
            check_gradients(window_node(op::conv_transpose, {6, 5, 4}, 12, a), batch);
            check_gradients(window_node(op::conv_transpose, {6, 5, 4}, 6, a), batch);
        }
    check_gradients(window_node(op::conv_transpose, {70, 13, 11}, 35, window(2, 2)), 2);
    check_gradients(window_node(op::conv_transpose, {3, 13, 11}, 1, window(2, 2)), 2);
}

TEST_CASE("gradients of the normalisations are their numerical derivatives") {
    for (const bool affine : {true, false})
        for (const int batch : {1, 4}) {
            const attributes a{.affine = affine, .value = 1e-5};
            for (const bool batch_statistics : {true, false}) check_gradients(plain_node(op::batch_norm, odd, a), batch, batch_statistics);
            for (const int groups : {1, 2, 6}) {
                attributes g = a;
                g.groups = groups;
                check_gradients(plain_node(op::group_norm, odd, g), batch);
            }
        }
}

TEST_CASE("gradients of the activations are their numerical derivatives") {
    for (const op kind : {op::relu, op::leaky_relu, op::gelu, op::silu, op::sigmoid, op::softmax})
        for (const shape s : {shape{3, 5, 7}, shape{10, 1, 1}, shape{2, 16, 2}}) {
            INFO("op " << static_cast<int>(kind));
            check_gradients(plain_node(kind, s, {.value = 0.1}), 2);
        }
}

TEST_CASE("gradients of pooling are its numerical derivatives") {
    for (const attributes& a : {window(2, 2), window(3, 2, 1), window({3, 2}, {1, 2}, {1, 1}), window(3, 1, 1, 2), window({1, 4}, 3)}) {
        check_gradients(window_node(op::max_pool, odd, odd.c, a), 2);
        if (a.dilation == extent{1})
            for (const bool count : {true, false}) {
                attributes b = a;
                b.count_include_pad = count;
                check_gradients(window_node(op::avg_pool, odd, odd.c, b), 2);
            }
    }
    check_gradients(global_node(odd), 2);
}

TEST_CASE("gradients of upsampling are its numerical derivatives") {
    for (const op kind : {op::upsample_nearest, op::upsample_bilinear})
        for (const extent factor : {extent{2}, extent{3, 1}, extent{1, 4}})
            for (const shape s : {odd, shape{2, 1, 1}, shape{1, 1, 5}}) check_gradients(upsample_node(kind, s, factor), 2);
}

TEST_CASE("gradients of linear are its numerical derivatives") {
    for (const bool bias : {true, false})
        for (const int batch : {1, 5, 40}) {
            check_gradients(linear_node({4, 3, 2}, 7, bias), batch);
            check_gradients(linear_node({300, 1, 1}, 70, bias), batch);
            check_gradients(linear_node({3, 1, 1}, 1, bias), batch);
        }
}

TEST_CASE("gradients of dropout, concat and add are their numerical derivatives") {
    check_gradients(plain_node(op::dropout, odd, {.value = 0.4}), 2);
    check_gradients(concat_node(odd, 5), 2);
    check_gradients(plain_node(op::add, odd), 2);
}
