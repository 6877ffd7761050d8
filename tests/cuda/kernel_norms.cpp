// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <tests/cuda/kernel_images.hpp>
#include <umsrep/backend/reference/normalization.hpp>
#include <umsrep/backend/reference/pooling.hpp>

namespace umsrep::test::kernel_norms {

using namespace kernel_images;
namespace kernel = cuda::kernel;
using kernel::map_on_host;
using kernel::reduce_on_host;

std::vector<float> floats(const std::vector<double>& x) {
    std::vector<float> result;
    for (const double v : x) result.push_back(static_cast<float>(v));
    return result;
}

/// A batch norm, with a skip connection and a ReLU behind it where `rest`, forward and backward.
template <class T, int n>
void check_batch_norm(shape s, slice where, bool by_batch, bool affine, bool rest, bool accumulate) {
    INFO(s.c << " channels, by the batch " << by_batch << ", affine " << affine << ", rest " << rest << ", accumulate " << accumulate);
    const int batch = 3;
    const node x = plain_node(op::batch_norm, s, {.affine = affine, .value = 1e-3, .momentum = 0.25});
    reference_of<T> r(x, batch, accumulate);
    for (double& v : r.in[0]) v += 3; // a mean that is not small
    round_to<T>(r.in[0]);
    round_to<float>(r.running_mean);
    round_to<float>(r.running_var);
    std::vector<double> state(2 * static_cast<std::size_t>(s.c));
    r.o.state = state.data();
    r.o.batch_statistics = by_batch;
    const extents e = extents_of(batch, s);
    const std::vector<float> weight = floats(r.weight), bias = floats(r.bias);
    const float *const w = affine ? weight.data() : nullptr, *const b = affine ? bias.data() : nullptr;
    std::vector<float> running_mean = floats(r.running_mean), running_var = floats(r.running_var);
    std::vector<double> other(r.in[0].size());
    for (std::size_t i = 0; i < other.size(); ++i) other[i] = r.in[0][(i * 7) % other.size()] - 3;
    const image<T> in(batch, s, where, r.in[0]), grad_out(batch, s, {}, r.grad_out), skip(batch, s, where, other);
    image<T> out(batch, s, where), grad_in(batch, s, where, r.grad_in[0]);
    const pixels<const T> none{nullptr, 0};

    const kernel::two_steps step = kernel::cut(e.pixels(), 16);
    std::vector<kernel::sum_pair> partial(std::size_t{step.count} * e.c);
    std::vector<kernel::moments> kept(e.c);
    const double values = by_batch ? static_cast<double>(e.pixels()) : 0;
    if (by_batch) {
        reduce_on_host(kernel::channel_sums<T>{e, step, in.read(), partial.data()});
        reduce_on_host(kernel::channel_moments{e.c, step.count, partial.data(), values, 1e-3f, 0.25f, kept.data(), running_mean.data(),
                                               running_var.data()});
    } else {
        map_on_host(kernel::constant_moments{e.c, running_mean.data(), running_var.data(), 1e-3f, kept.data()});
    }
    map_on_host(kernel::normalize<T, n>{e, in.read(), kept.data(), w, b, rest ? skip.read() : none, rest, out.view()});
    reference_ops::forward_batch_norm(r.o);
    if (rest)
        for (std::size_t i = 0; i < other.size(); ++i) r.out[i] = std::max(r.out[i] + other[i], 0.0);
    check_same(out, r.out, 2);
    CHECK(relative_error(running_mean, r.running_mean) < 1e-6);
    CHECK(relative_error(running_var, r.running_var) < 1e-6);

    if (rest) { // the gradient that passes the ReLU as the type stored it
        const std::vector<double> y = out.values();
        for (std::size_t i = 0; i < y.size(); ++i) r.grad_out[i] = y[i] > 0 ? r.grad_out[i] : 0;
    }
    std::vector<float> grad_weight(e.c), grad_bias(e.c);
    std::vector<kernel::norm_means> means(e.c);
    const pixels<const T> rectified = rest ? out.read() : none;
    reduce_on_host(kernel::norm_sums<T>{e, step, in.read(), grad_out.read(), rectified, kept.data(), partial.data()});
    reduce_on_host(kernel::norm_gradients{e.c, step.count, partial.data(), values, affine ? grad_weight.data() : nullptr,
                                          affine ? grad_bias.data() : nullptr, means.data()});
    map_on_host(kernel::normalize_backward<T, n>{e, w, in.read(), grad_out.read(), rectified, kept.data(), means.data(), grad_in.view(),
                                                 accumulate});
    reference_ops::backward_batch_norm(r.o);
    check_same(grad_in, r.grad_in[0], 2);
    if (affine) {
        CHECK(relative_error(grad_weight, r.grad_weight) < 1e-5);
        CHECK(relative_error(grad_bias, r.grad_bias) < 1e-5);
    }
}

TEST_CASE_TEMPLATE("batch norm by batch or constants, with skip and ReLU, and its gradients are the reference's", T, float, bf16) {
    for (const bool by_batch : {false, true})
        for (const bool affine : {false, true})
            for (const bool rest : {false, true})
                for (const bool accumulate : {false, true}) {
                    check_batch_norm<T, 1>({1, 5, 3}, {}, by_batch, affine, rest, accumulate);
                    check_batch_norm<T, 1>({13, 4, 9}, {17, 3}, by_batch, affine, rest, accumulate);
                    check_batch_norm<T, 8>({24, 7, 5}, {40, 16}, by_batch, affine, rest, accumulate);
                }
}

TEST_CASE_TEMPLATE("bias, skip connection and ReLU in any choice", T, float, bf16) {
    const int batch = 2;
    for (const auto& l : layouts<8>())
        for (int choice = 0; choice < 8; ++choice) {
            CAPTURE(choice);
            const bool with_bias = choice % 2 != 0, with_skip = choice / 2 % 2 != 0, rectify = choice / 4 != 0;
            reference_of<T> r(plain_node(op::add, l.s), batch);
            std::vector<float> bias(static_cast<std::size_t>(l.s.c));
            for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<float>(c) * 0.125f - 1;
            std::vector<double> expected = r.in[0];
            for (std::size_t i = 0; i < expected.size(); ++i) {
                if (with_bias) expected[i] += static_cast<double>(bias[i / static_cast<std::size_t>(l.s.plane()) % bias.size()]);
                if (with_skip) expected[i] += r.in[1][i];
                if (rectify) expected[i] = std::max(expected[i], 0.0);
            }
            const image<T> in(batch, l.s, l.where, r.in[0]), skip(batch, l.s, {}, r.in[1]);
            image<T> out(batch, l.s, l.where), one_by_one(batch, l.s, l.where);
            const pixels<const T> other = with_skip ? skip.read() : pixels<const T>{nullptr, 0};
            const float* const b = with_bias ? bias.data() : nullptr;
            map_on_host(kernel::add_up<T, 8>{extents_of(batch, l.s), in.read(), b, other, rectify, out.view()});
            map_on_host(kernel::add_up<T, 1>{extents_of(batch, l.s), in.read(), b, other, rectify, one_by_one.view()});
            check_same(out, expected);
            CHECK(one_by_one.values() == out.values());
        }
}

/// The sides are slices of wider images, at multiples of n channels.
template <class T, class Tap, int n>
void check_max_pool(const shape& s, const attributes& a, bool accumulate, bool broken) {
    const node x = window_node(op::max_pool, s, s.c, a);
    const int batch = 2;
    reference_of<T> r(x, batch, accumulate);
    for (double& v : r.in[0]) v = std::round(v); // ties
    if (broken) r.in[0][40] = std::numeric_limits<double>::quiet_NaN();
    const image<T> in(batch, s, {s.c + n, n}, r.in[0]), grad_out(batch, x.out, {x.out.c + 2 * n, n}, r.grad_out);
    image<T> out(batch, x.out, {x.out.c + n, 0}), grad_in(batch, s, {s.c + 3 * n, n}, r.grad_in[0]);
    std::vector<Tap> tap(static_cast<std::size_t>(batch * x.out.size()));
    const kernel::sliding_window w = window_of(x, batch);
    map_on_host(kernel::max_pool<T, Tap, n>{w, in.read(), out.view(), tap.data()});
    map_on_host(kernel::max_pool_backward<T, Tap, n>{w, grad_out.read(), tap.data(), grad_in.view(), accumulate});
    reference_ops::forward_max_pool(r.o);
    reference_ops::backward_max_pool(r.o);
    const auto got = out.values();
    for (std::size_t i = 0; i < got.size(); ++i) REQUIRE((got[i] == r.out[i] || (std::isnan(got[i]) && std::isnan(r.out[i]))));
    check_same(grad_in, r.grad_in[0]);
}

TEST_CASE_TEMPLATE("max pools of any window and their gradients are the reference's, ties and NaN included", T, float, bf16) {
    const attributes pools[] = {{.kernel = {2, 2}, .stride = {2, 2}},
                                {.kernel = {3, 3}, .stride = {2, 1}, .padding = {1, 1}},
                                {.kernel = {13, 11}, .stride = {1, 2}, .padding = {6, 5}},
                                {.kernel = {2, 3}, .dilation = {3, 2}}};
    for (const attributes& a : pools)
        for (const bool accumulate : {false, true})
            for (const bool broken : {false, true}) {
                CAPTURE(a.kernel.h);
                check_max_pool<T, unsigned char, 1>({5, 15, 13}, a, accumulate, broken);
                check_max_pool<T, unsigned, 1>({5, 15, 13}, a, accumulate, broken);
                check_max_pool<T, unsigned char, 8>({16, 15, 13}, a, accumulate, broken);
                check_max_pool<T, unsigned, 8>({8, 15, 13}, a, accumulate, broken);
            }
}

} // namespace umsrep::test::kernel_norms
