// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <tests/cuda/kernel_images.hpp>
#include <umsrep/backend/reference/activation.hpp>
#include <umsrep/backend/reference/combination.hpp>
#include <umsrep/backend/reference/dropout.hpp>
#include <umsrep/backend/reference/pooling.hpp>
#include <umsrep/backend/reference/resampling.hpp>
#include <umsrep/core/hash_name.hpp>
#include <umsrep/graph/op_name.hpp>

namespace umsrep::test::kernel_maps {

using namespace kernel_images;
namespace kernel = cuda::kernel;
using kernel::map_on_host;

using formula = void (*)(const operands<double>&);

template <class T, int n, class F>
void check_activation(F f, op kind, double value, formula forward, formula backward) {
    for (const auto& l : layouts<n>())
        for (const bool accumulate : {false, true}) {
            INFO(name(kind) << " of " << l.batch << " x " << l.s.c << " channels");
            const node x = plain_node(kind, l.s, {.value = value});
            reference_of<T> r(x, l.batch, accumulate);
            const extents e = extents_of(l.batch, l.s);
            const image<T> in(l.batch, l.s, l.where, r.in[0]);
            image<T> out(l.batch, l.s, l.where);
            map_on_host(kernel::activate<F, T, n>{f, e, in.read(), out.view()});
            forward(r.o);
            check_same(out, r.out);

            round_to<T>(r.out); // what is kept is what was stored
            const image<T> grad_out(l.batch, l.s, {}, r.grad_out), kept(l.batch, l.s, l.where, F::keeps_output ? r.out : r.in[0]);
            image<T> grad_in(l.batch, l.s, l.where, r.grad_in[0]);
            map_on_host(kernel::activate_backward<F, T, n>{f, e, grad_out.read(), kept.read(), grad_in.view(), accumulate});
            backward(r.o);
            check_same(grad_in, r.grad_in[0]);
        }
}

template <class T, int n>
void check_activations() {
    using namespace reference_ops;
    check_activation<T, n>(kernel::relu{}, op::relu, 0, forward_relu<double>, backward_relu<double>);
    check_activation<T, n>(kernel::leaky_relu{0.125f}, op::leaky_relu, 0.125, forward_leaky_relu<double>, backward_leaky_relu<double>);
    check_activation<T, n>(kernel::gelu{}, op::gelu, 0, forward_gelu<double>, backward_gelu<double>);
    check_activation<T, n>(kernel::silu{}, op::silu, 0, forward_silu<double>, backward_silu<double>);
    check_activation<T, n>(kernel::sigmoid{}, op::sigmoid, 0, forward_sigmoid<double>, backward_sigmoid<double>);
}

/// Forward and backward of one kind of upsampling by `Forward<T, n>` and `Backward<T, n>`.
template <class T, int n, template <class, int> class Forward, template <class, int> class Backward>
void check_upsampling(op kind, formula forward, formula backward) {
    for (const auto& l : layouts<n>())
        for (const extent factor : {extent{2, 2}, extent{3, 2}, extent{1, 4}, extent{5, 3}})
            for (const bool accumulate : {false, true}) {
                const node x = upsample_node(kind, l.s, factor);
                INFO(name(kind) << " by " << factor.h << " x " << factor.w << " of " << l.s.c << " x " << l.s.h << " x " << l.s.w);
                reference_of<T> r(x, l.batch, accumulate);
                const unsigned h = static_cast<unsigned>(factor.h), w = static_cast<unsigned>(factor.w);
                const image<T> in(l.batch, l.s, l.where, r.in[0]), grad_out(l.batch, x.out, l.where, r.grad_out);
                image<T> out(l.batch, x.out, l.where), grad_in(l.batch, l.s, l.where, r.grad_in[0]);
                map_on_host(Forward<T, n>{extents_of(l.batch, l.s), h, w, in.read(), out.view()});
                map_on_host(Backward<T, n>{extents_of(l.batch, l.s), h, w, grad_out.read(), grad_in.view(), accumulate});
                forward(r.o);
                backward(r.o);
                check_same(out, r.out);
                check_same(grad_in, r.grad_in[0]);
            }
}

template <class T, int n>
void check_upsamplings() {
    using namespace reference_ops;
    check_upsampling<T, n, kernel::upsample_nearest, kernel::upsample_nearest_backward>(
        op::upsample_nearest, forward_upsample_nearest<double>, backward_upsample_nearest<double>);
    check_upsampling<T, n, kernel::upsample_bilinear, kernel::upsample_bilinear_backward>(
        op::upsample_bilinear, forward_upsample_bilinear<double>, backward_upsample_bilinear<double>);
}

template <class T, int n>
void check_copies() {
    for (const auto& l : layouts<n>()) {
        std::vector<double> numbers(static_cast<std::size_t>(l.batch * l.s.size()));
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<double>(i));
        const extents e = extents_of(l.batch, l.s);
        const std::vector<float> planes(numbers.begin(), numbers.end());
        round_to<T>(numbers);

        image<T> stored(l.batch, l.s, l.where);
        map_on_host(kernel::from_planes<float, T, n>{e, e.c, planes.data(), stored.view()});
        CHECK(stored.values() == numbers);
        CHECK(stored.surroundings_kept());

        const int padded = (l.s.c + 15) / 8 * 8; // one pack or two more
        image<T> wider(l.batch, {padded, l.s.h, l.s.w});
        map_on_host(kernel::from_planes<float, T, 8>{e, static_cast<unsigned>(padded), planes.data(), wider.view()});
        const auto with_zeros = wider.values();
        for (std::size_t i = 0; i < with_zeros.size(); ++i) {
            const auto plane = static_cast<std::size_t>(l.s.plane()), channel = i / plane % static_cast<std::size_t>(padded);
            const auto sample = i / plane / static_cast<std::size_t>(padded), channels = static_cast<std::size_t>(l.s.c);
            REQUIRE(with_zeros[i] == (channel < channels ? numbers[(sample * channels + channel) * plane + i % plane] : 0));
        }

        std::vector<float> back(numbers.size());
        map_on_host(kernel::to_planes<T, float>{e, stored.read(), back.data()});
        CHECK(std::vector<double>(back.begin(), back.end()) == numbers);

        image<float> wide(l.batch, l.s, {}, numbers);
        map_on_host(kernel::copy<T, float, n>{e, stored.read(), wide.view(), true});
        for (double& x : numbers) x *= 2;
        CHECK(wide.values() == numbers);
        image<T> narrow(l.batch, l.s, l.where);
        map_on_host(kernel::copy<float, T, n>{e, wide.read(), narrow.view(), false});
        CHECK(narrow.values() == numbers);
        CHECK(narrow.surroundings_kept());
    }
}

template <class T, int n>
void check_global_average_backward() {
    for (const auto& l : layouts<n>())
        for (const bool accumulate : {false, true}) {
            const node x = global_node(l.s);
            reference_of<T> r(x, l.batch, accumulate);
            const image<T> grad_out(l.batch, x.out, {}, r.grad_out);
            image<T> grad_in(l.batch, l.s, l.where, r.grad_in[0]);
            map_on_host(kernel::global_average_backward<T, n>{extents_of(l.batch, l.s), grad_out.read(), grad_in.view(), accumulate});
            reference_ops::backward_global_avg_pool(r.o);
            check_same(grad_in, r.grad_in[0]);
        }
}

TEST_CASE_TEMPLATE("activations and their slopes are the reference's, on slices too", T, float, bf16) {
    check_activations<T, 1>();
    check_activations<T, 8>();
}

TEST_CASE_TEMPLATE("upsampling and its adjoint are the reference's for any factors, on slices too", T, float, bf16) {
    check_upsamplings<T, 1>();
    check_upsamplings<T, 8>();
}

TEST_CASE_TEMPLATE("copies keep every number that the type can hold, pad with zeros and write nothing else", T, float, bf16) {
    check_copies<T, 1>();
    check_copies<T, 8>();
}

TEST_CASE_TEMPLATE("a plane's pixels share the gradient of its mean", T, float, bf16) {
    check_global_average_backward<T, 1>();
    check_global_average_backward<T, 8>();
}

TEST_CASE("philox is the CPU's, bit by bit") {
    random_stream r(seed{3}, "counters");
    for (int i = 0; i < 100; ++i) {
        const std::array<std::uint32_t, 4> counter{r(), r(), r(), r()};
        const std::array<std::uint32_t, 2> key{r(), r()};
        const kernel::four got = kernel::philox({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
        CHECK(std::array{got.at[0], got.at[1], got.at[2], got.at[3]} == philox(counter, key));
    }
}

TEST_CASE("a step's streams are those that the executor gives its nodes") {
    constexpr std::uint64_t run = 0x123456789abcdef, step = (std::uint64_t{1} << 33) + 5;
    const unsigned long long number = step;
    kernel::stream streams[3];
    map_on_host(kernel::make_streams{run, hash_name("dropout"), &number, 3, streams});
    for (std::uint64_t node = 0; node < 3; ++node) {
        const random_stream expected(seed{run}, "dropout", step * 3 + node);
        for (const std::uint64_t block : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{1} << 40}) {
            const kernel::four got = streams[node].block(block);
            CHECK(std::array{got.at[0], got.at[1], got.at[2], got.at[3]} == expected.block(block));
        }
    }
}

TEST_CASE_TEMPLATE("dropout drops what the CPU drops, forward and backward", T, float, bf16) {
    // Planes of a multiple of four pixels and others; a number of elements that is none.
    for (const shape s : {shape{6, 4, 4}, shape{5, 2, 2}, shape{3, 3, 5}, shape{5, 2, 5}, shape{13, 1, 1}, shape{1, 1, 3}})
        for (const double p : {0.0, 0.3, 1.0})
            for (const bool accumulate : {false, true}) {
                INFO(s.c << " x " << s.h << " x " << s.w << ", " << p);
                const int batch = 3;
                reference_of<T> r(plain_node(op::dropout, s, {.value = p}), batch, accumulate);
                kernel::stream random;
                const unsigned long long zero = 0;
                map_on_host(kernel::make_streams{1, hash_name("dropout"), &zero, 1, &random}); // that of test::operation
                const extents e = extents_of(batch, s);
                const auto threshold = static_cast<std::uint64_t>(p * 0x1p32);
                const float keep = p < 1 ? static_cast<float>(1 / (1 - p)) : 0;
                const slice where{s.c + 3, 2};
                const image<T> in(batch, s, where, r.in[0]), grad_out(batch, s, where, r.grad_out);
                image<T> out(batch, s, where), grad_in(batch, s, where, r.grad_in[0]);
                map_on_host(kernel::dropout<T>{e, threshold, keep, &random, in.read(), out.view(), false});
                map_on_host(kernel::dropout<T>{e, threshold, keep, &random, grad_out.read(), grad_in.view(), accumulate});
                reference_ops::forward_dropout(r.o);
                reference_ops::backward_dropout(r.o);
                check_same(out, r.out);
                check_same(grad_in, r.grad_in[0]);
                for (std::size_t i = 0; i < r.out.size(); ++i) REQUIRE((out.values()[i] == 0) == (r.out[i] == 0));
            }
}

} // namespace umsrep::test::kernel_maps
