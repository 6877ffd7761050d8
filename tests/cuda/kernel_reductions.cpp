// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include <tests/cuda/kernel_images.hpp>
#include <umsrep/backend/reference/activation.hpp>
#include <umsrep/backend/reference/normalization.hpp>
#include <umsrep/backend/reference/pooling.hpp>

namespace umsrep::test::kernel_reductions {

using namespace kernel_images;
namespace kernel = cuda::kernel;
using kernel::map_on_host;
using kernel::reduce_on_host;

std::vector<double> as_doubles(const std::vector<float>& x) { return {x.begin(), x.end()}; }
std::vector<float> as_floats(const std::vector<double>& x) {
    std::vector<float> result;
    for (const double v : x) result.push_back(static_cast<float>(v));
    return result;
}

/// Counts how often each term is added and each output finished.
struct counting {
    unsigned outputs_, length_, neighbours_;
    std::vector<int>*added, *finished;

    struct sums {
        double total;
        unsigned terms;
    };
    static constexpr bool applies = false;
    long long outputs() const { return outputs_; }
    unsigned length() const { return length_; }
    unsigned neighbours() const { return neighbours_; }
    void add(sums& s, unsigned output, unsigned term) const {
        ++(*added)[output * length_ + term];
        s.total += term;
        ++s.terms;
    }
    static void merge(sums& to, const sums& from) {
        to.total += from.total;
        to.terms += from.terms;
    }
    void finish(unsigned output, const sums& all) const {
        ++(*finished)[output];
        CHECK(all.terms == length_);
        CHECK(all.total == 0.5 * length_ * (length_ - 1.0));
    }
};

TEST_CASE("a reduction adds every term once, whatever the numbers of outputs, terms and neighbours") {
    for (const unsigned length : {1u, 2u, 7u, 8u, 9u, 255u, 256u, 257u, 1000u})
        for (const unsigned neighbours : {1u, 3u, 32u, 100u}) {
            std::vector<int> added(5 * length), finished(5);
            reduce_on_host(counting{5, length, neighbours, &added, &finished});
            CHECK(std::vector<int>(5 * length, 1) == added);
            CHECK(std::vector<int>(5, 1) == finished);
        }
}

TEST_CASE("the outputs that a block makes side by side are a power of two, 32 neighbours, and more only where threads would be idle") {
    for (unsigned length = 1; length < 600; ++length)
        for (unsigned neighbours = 1; neighbours < 70; ++neighbours) {
            const unsigned across = kernel::reduce_across(neighbours, length), threads = kernel::reduce_threads / across;
            REQUIRE((across & (across - 1)) == 0);
            REQUIRE(threads * across == kernel::reduce_threads);
            REQUIRE((threads <= length || across == kernel::reduce_threads));
            REQUIRE((across <= neighbours || 2 * threads > length));
        }
    CHECK(kernel::reduce_across(64, 4096) == 32);
    CHECK(kernel::reduce_across(1, 4096) == 1);
}

TEST_CASE("terms are cut into pieces that cover them") {
    for (const long long terms : {1LL, 1023LL, 1024LL, 1025LL, 600'000LL, 8'388'608LL, 10'000'000'000LL}) {
        const kernel::two_steps step = kernel::cut(terms, 1024);
        CHECK(step.count <= 512);
        CHECK(step.length >= 1024);
        CHECK(static_cast<long long>(step.count) * step.length >= terms);
        CHECK(static_cast<long long>(step.count - 1) * step.length < terms);
    }
}

TEST_CASE_TEMPLATE("softmax over channels and its gradient are the reference's", T, float, bf16) {
    for (const shape s : {shape{1, 2, 2}, shape{3, 5, 4}, shape{11, 3, 1}, shape{300, 1, 1}, shape{1000, 1, 2}})
        for (const bool accumulate : {false, true}) {
            INFO(s.c << " channels");
            const int batch = 2;
            reference_of<T> r(plain_node(op::softmax, s), batch, accumulate);
            for (double& x : r.in[0]) x *= 8;
            const slice where{s.c + 5, 3};
            const extents e = extents_of(batch, s);
            const image<T> in(batch, s, where, r.in[0]), grad_out(batch, s, where, r.grad_out);
            image<T> out(batch, s, where), grad_in(batch, s, where, r.grad_in[0]);
            reduce_on_host(kernel::softmax<T>{e, in.read(), out.view()});
            reference_ops::forward_softmax(r.o);
            check_same(out, r.out);

            round_to<T>(r.out);
            const image<T> kept(batch, s, {}, r.out);
            reduce_on_host(kernel::softmax_backward<T>{e, grad_out.read(), kept.read(), grad_in.view(), accumulate});
            reference_ops::backward_softmax(r.o);
            check_same(grad_in, r.grad_in[0]);
        }
}

TEST_CASE("softmax stays finite for any finite logits, counts -infinity as nothing and shows a NaN") {
    constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    const auto of = [](const std::vector<double>& x) {
        const shape s{static_cast<int>(x.size()), 1, 1};
        const image<float> in(1, s, {}, x);
        image<float> out(1, s);
        reduce_on_host(kernel::softmax<float>{extents_of(1, s), in.read(), out.view()});
        return out.values();
    };
    CHECK(of({3e38, 3e38}) == std::vector<double>{0.5, 0.5});
    CHECK(of({-3e38, 3e38}) == std::vector<double>{0, 1});
    CHECK(of({-inf, -inf, -inf, -inf, 7}) == std::vector<double>{0, 0, 0, 0, 1}); // a thread has several of them
    for (const double x : of({1, nan, 2})) CHECK(std::isnan(x));
}

TEST_CASE_TEMPLATE("the mean of each plane is the reference's", T, float, bf16) {
    for (const shape s : {shape{1, 7, 5}, shape{13, 3, 3}, shape{40, 1, 1}, shape{64, 17, 16}}) {
        const int batch = 3;
        reference_of<T> r(global_node(s), batch);
        const image<T> in(batch, s, {s.c + 1, 1}, r.in[0]);
        image<T> out(batch, {s.c, 1, 1}, {s.c + 2, 1});
        reduce_on_host(kernel::global_average<T>{extents_of(batch, s), in.read(), out.view()});
        reference_ops::forward_global_avg_pool(r.o);
        check_same(out, r.out);
    }
}

template <class T, int n>
void check_group_norm(shape s, int groups, bool affine, bool accumulate) {
    INFO(s.c << " channels in " << groups << " groups, affine " << affine << ", accumulate " << accumulate);
    const int batch = 3;
    reference_of<T> r(plain_node(op::group_norm, s, {.groups = groups, .affine = affine, .value = 1e-3}), batch, accumulate);
    for (double& x : r.in[0]) x += 3; // a mean that is not small
    round_to<T>(r.in[0]);
    const std::vector<float> weight = as_floats(r.weight), bias = as_floats(r.bias);
    const float *const w = affine ? weight.data() : nullptr, *const b = affine ? bias.data() : nullptr;
    const auto count = static_cast<unsigned>(groups);
    const auto rows = static_cast<std::size_t>(batch);
    const extents e = extents_of(batch, s);
    std::vector<kernel::moments> kept(rows * count);
    const image<T> in(batch, s, {}, r.in[0]), grad_out(batch, s, {}, r.grad_out);
    image<T> out(batch, s), grad_in(batch, s, {}, r.grad_in[0]);

    reduce_on_host(kernel::group_norm<T>{e, count, 1e-3f, w, b, in.read(), out.view(), kept.data()});
    reference_ops::forward_group_norm(r.o);
    check_same(out, r.out);

    std::vector<kernel::norm_share> shares(rows * e.c);
    std::vector<kernel::norm_means> means(rows * count);
    std::vector<float> grad_weight(e.c), grad_bias(e.c);
    reduce_on_host(kernel::group_norm_shares<T>{e, count, in.read(), grad_out.read(), kept.data(), shares.data()});
    reduce_on_host(kernel::group_norm_means{e, count, w, shares.data(), means.data()});
    map_on_host(kernel::group_norm_backward<T, n>{e, count, w, in.read(), grad_out.read(), kept.data(), means.data(), grad_in.view(),
                                                  accumulate});
    reduce_on_host(kernel::group_norm_parameters{e.n, e.c, shares.data(), grad_weight.data(), grad_bias.data()});
    reference_ops::backward_group_norm(r.o);
    check_same(grad_in, r.grad_in[0], 2);
    if (affine) {
        CHECK(relative_error(grad_weight, r.grad_weight) < 1e-5);
        CHECK(relative_error(grad_bias, r.grad_bias) < 1e-5);
    }
}

TEST_CASE_TEMPLATE("group norm, its parameters' gradients and its input's are the reference's", T, float, bf16) {
    for (const bool affine : {false, true})
        for (const bool accumulate : {false, true}) {
            check_group_norm<T, 1>({6, 5, 3}, 3, affine, accumulate);
            check_group_norm<T, 1>({5, 3, 3}, 5, affine, accumulate);
            check_group_norm<T, 1>({7, 4, 9}, 1, affine, accumulate);
            check_group_norm<T, 8>({24, 5, 3}, 4, affine, accumulate); // a pack of channels of two groups
            check_group_norm<T, 8>({16, 17, 16}, 2, affine, accumulate);
        }
}

template <class T, int n>
void check_sums_of_channels(int rows, int channels, slice where) {
    INFO(rows << " pixels of " << channels << " channels");
    std::vector<double> numbers(static_cast<std::size_t>(rows * channels)), expected(static_cast<std::size_t>(channels));
    random_stream random(seed{4}, "sums");
    for (double& x : numbers) x = 1 + static_cast<double>(random.normal());
    round_to<T>(numbers);
    for (std::size_t i = 0; i < numbers.size(); ++i) expected[i / static_cast<std::size_t>(rows)] += numbers[i];
    const image<T> from(1, {channels, rows, 1}, where, numbers);

    const auto c = static_cast<unsigned>(channels);
    const kernel::two_steps step = kernel::cut(rows, 64);
    std::vector<double> partial(static_cast<std::size_t>(step.count) * c);
    std::vector<float> total(c);
    reduce_on_host(kernel::sum_channels<T, double, n>{rows, c, step, from.read(), partial.data()});
    reduce_on_host(kernel::sum_channels<double, float, 1>{step.count, c, {step.count, 1}, {partial.data(), c}, total.data()});
    CHECK(relative_error(total, expected) < 1e-7);
}

TEST_CASE_TEMPLATE("the sum of each channel over all pixels, in two steps", T, float, bf16) {
    for (const int rows : {1, 63, 64, 65, 1000, 40'000}) {
        check_sums_of_channels<T, 1>(rows, 1, {});
        check_sums_of_channels<T, 1>(rows, 5, {9, 2});
        check_sums_of_channels<T, 8>(rows, 8, {});
        check_sums_of_channels<T, 8>(rows, 40, {56, 16});
    }
}

} // namespace umsrep::test::kernel_reductions
