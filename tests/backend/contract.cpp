// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <tests/backend/every_operation.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

template <class T>
void poison(std::vector<T>& v) {
    std::fill(v.begin(), v.end(), std::numeric_limits<T>::quiet_NaN());
}

/// What backward may read beside grad_out and the parameters; see operands.hpp.
struct reads {
    bool in = false, out = false;
};
reads backward_reads(op kind, bool grad_weight) {
    switch (kind) {
    case op::conv:
    case op::conv_transpose:
    case op::linear: return {.in = grad_weight};
    case op::batch_norm:
    case op::group_norm:
    case op::gelu:
    case op::silu:
    case op::max_pool: return {.in = true};
    case op::relu:
    case op::leaky_relu:
    case op::sigmoid:
    case op::softmax: return {.out = true};
    default: return {};
    }
}

} // namespace

TEST_CASE("every operation gives the same bits with 1, 2 and 3 threads") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        for (const int batch : {1, 5}) {
            operation<float> one(n, batch, 1, 1);
            one.forward();
            one.backward();
            for (const int threads : {2, 3}) {
                operation<float> more(n, batch, 1, threads);
                more.forward();
                more.backward();
                CHECK(same_bits(one.out, more.out));
                CHECK(same_bits(one.grad_in[0], more.grad_in[0]));
                CHECK(same_bits(one.grad_in[1], more.grad_in[1]));
                CHECK(same_bits(one.grad_weight, more.grad_weight));
                CHECK(same_bits(one.grad_bias, more.grad_bias));
                CHECK(same_bits(one.running_mean, more.running_mean));
                CHECK(same_bits(one.running_var, more.running_var));
            }
        }
    }
}

TEST_CASE("a sample's activations do not depend on what else is in the batch, but for batch statistics") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        operation<float> many(n, 4, 1), one(n, 1, 2);
        one.o.batch_statistics = many.o.batch_statistics = false;
        one.o.training = many.o.training = false;
        one.weight = many.weight, one.bias = many.bias, one.running_mean = many.running_mean, one.running_var = many.running_var;
        for (const std::size_t i : {0u, 1u}) std::copy_n(many.in[i].end() - static_cast<std::ptrdiff_t>(one.in[i].size()), one.in[i].size(), one.in[i].begin());
        one.forward();
        many.forward();
        const std::vector<float> last(many.out.end() - static_cast<std::ptrdiff_t>(one.out.size()), many.out.end());
        if (n.kind == op::linear) CHECK(relative_error(one.out, last) < 1e-6); // a matrix of one row is summed in another order
        else CHECK(same_bits(one.out, last));
    }
}

TEST_CASE("with accumulate the gradient is added to what is there") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        operation<double> plain(n, 3, 1), adding(n, 3, 1);
        adding.o.accumulate = {true, true};
        const std::vector<double> before[2] = {adding.grad_in[0], adding.grad_in[1]};
        plain.forward();
        plain.backward();
        adding.forward();
        adding.backward();
        for (const std::size_t i : {0u, 1u}) {
            std::vector<double> expected = plain.grad_in[i];
            for (std::size_t k = 0; k < expected.size(); ++k) expected[k] += before[i][k];
            CHECK(relative_error(adding.grad_in[i], expected) < 1e-13);
        }
    }
}

TEST_CASE("a gradient that is not wanted is not written and does not change the others") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        operation<double> all(n, 3, 1);
        all.forward();
        all.backward();
        for (const int wanted : {0, 1, 2, 3}) { // one gradient at a time
            operation<double> op(n, 3, 1);
            for (const std::size_t i : {0u, 1u})
                if (static_cast<int>(i) != wanted) op.o.grad_in[i] = {};
            if (wanted != 2) op.o.grad_weight = nullptr;
            if (wanted != 3) op.o.grad_bias = nullptr;
            const std::vector<double> untouched[4] = {op.grad_in[0], op.grad_in[1], op.grad_weight, op.grad_bias};
            op.forward();
            op.backward();
            const std::vector<double>* const got[4] = {&op.grad_in[0], &op.grad_in[1], &op.grad_weight, &op.grad_bias};
            const std::vector<double>* const full[4] = {&all.grad_in[0], &all.grad_in[1], &all.grad_weight, &all.grad_bias};
            for (int i = 0; i < 4; ++i) CHECK(same_bits(*got[i], i == wanted ? *full[i] : untouched[i]));
        }
    }
}

TEST_CASE("backward reads only what the plan keeps for it") {
    for (const auto& [name, n] : every_operation())
        for (const bool grad_weight : {true, false}) {
            INFO(name << (grad_weight ? "" : ", frozen weight"));
            operation<double> all(n, 3, 1), op(n, 3, 1);
            for (auto* each : {&all, &op}) {
                if (!grad_weight) each->o.grad_weight = each->o.grad_bias = nullptr;
                each->forward();
            }
            all.backward();
            const reads kept = backward_reads(n.kind, grad_weight);
            if (!kept.in) poison(op.in[0]), op.o.in = {};
            poison(op.in[1]);
            if (!kept.out) poison(op.out);
            op.backward();
            CHECK(same_bits(all.grad_in[0], op.grad_in[0]));
            CHECK(same_bits(all.grad_in[1], op.grad_in[1]));
            CHECK(same_bits(all.grad_weight, op.grad_weight));
            CHECK(same_bits(all.grad_bias, op.grad_bias));
        }
}

TEST_CASE("batch_norm with constant statistics needs no input to send the gradient back") {
    operation<double> all(plain_node(op::batch_norm, {3, 4, 5}, {.value = 1e-5}), 2, 1), op(all.n, 2, 1);
    for (auto* each : {&all, &op}) {
        each->o.batch_statistics = false;
        each->o.grad_weight = nullptr;
    }
    all.backward();
    op.o.in = {};
    op.backward();
    CHECK(same_bits(all.grad_in[0], op.grad_in[0]));
}

TEST_CASE("forward may run in place where the plan lets it") {
    for (const auto& [name, n] : every_operation()) {
        const op kind = n.kind;
        if (kind != op::relu && kind != op::leaky_relu && kind != op::sigmoid && kind != op::dropout && kind != op::batch_norm) continue;
        INFO(name);
        operation<float> apart(n, 3, 1, 2), in_place(n, 3, 1, 2);
        apart.o.batch_statistics = in_place.o.batch_statistics = false;
        in_place.o.out.data = in_place.in[0].data();
        apart.forward();
        in_place.forward();
        CHECK(same_bits(apart.out, in_place.in[0]));
    }
}

TEST_CASE("backward may write its gradient over the one it reads where the plan lets it") {
    for (const auto& [name, n] : every_operation()) {
        const op kind = n.kind;
        if (kind != op::relu && kind != op::leaky_relu && kind != op::sigmoid && kind != op::dropout && kind != op::batch_norm && kind != op::add) continue;
        for (const bool batch_statistics : {true, false}) {
            INFO(name);
            operation<float> apart(n, 3, 1, 2), in_place(n, 3, 1, 2);
            apart.o.batch_statistics = in_place.o.batch_statistics = batch_statistics;
            in_place.o.grad_in[0].data = in_place.grad_out.data();
            for (auto* each : {&apart, &in_place}) {
                each->forward();
                each->backward();
            }
            CHECK(same_bits(apart.grad_in[0], in_place.grad_out));
            CHECK(same_bits(apart.grad_in[1], in_place.grad_in[1]));
            CHECK(same_bits(apart.grad_weight, in_place.grad_weight));
            CHECK(same_bits(apart.grad_bias, in_place.grad_bias));
        }
    }
}

TEST_CASE("results do not depend on where in memory the operands lie") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        operation<float> straight(n, 2, 1), shifted(n, 2, 1);
        const auto shift = [](auto& view, std::vector<float>& v) { // three elements further, off any vector boundary
            if (v.empty()) return;
            v.insert(v.begin(), 3, 0.f);
            view = v.data() + 3;
        };
        shift(shifted.o.in[0].data, shifted.in[0]);
        shift(shifted.o.in[1].data, shifted.in[1]);
        shift(shifted.o.out.data, shifted.out);
        shift(shifted.o.grad_out.data, shifted.grad_out);
        shift(shifted.o.weight, shifted.weight);
        shift(shifted.o.grad_weight, shifted.grad_weight);
        shift(shifted.o.grad_in[0].data, shifted.grad_in[0]);
        shift(shifted.o.workspace, shifted.workspace);
        for (auto* each : {&straight, &shifted}) {
            each->forward();
            each->backward();
        }
        const auto rest = [](const std::vector<float>& v) { return v.empty() ? v : std::vector<float>(v.begin() + 3, v.end()); };
        CHECK(same_bits(straight.out, rest(shifted.out)));
        CHECK(same_bits(straight.grad_in[0], rest(shifted.grad_in[0])));
        CHECK(same_bits(straight.grad_weight, rest(shifted.grad_weight)));
        CHECK(same_bits(straight.grad_bias, shifted.grad_bias));
    }
}

TEST_CASE("every operation runs in long double") {
    for (const auto& [name, n] : every_operation()) {
        INFO(name);
        operation<double> d(n, 2, 1);
        operation<long double> l(n, 2, 1);
        d.forward();
        d.backward();
        l.forward();
        l.backward();
        CHECK(relative_error(d.out, l.out) < 1e-12);
        CHECK(relative_error(d.grad_in[0], l.grad_in[0]) < 1e-12);
        CHECK(relative_error(d.grad_weight, l.grad_weight) < 1e-12);
        CHECK(relative_error(d.grad_bias, l.grad_bias) < 1e-12);
    }
}

TEST_CASE("batch_norm refuses to take statistics of a single value") {
    operation<float> op(plain_node(op::batch_norm, {3, 1, 1}, {.value = 1e-5}), 1, 1);
    CHECK_THROWS_WITH_AS(op.forward(), "batch_norm: expected more than one value per channel to train on, got 1 x 1 x 1", shape_mismatch);
    op.o.batch_statistics = false;
    CHECK_NOTHROW(op.forward());
}

TEST_CASE("batch_norm's statistics are right far from zero") {
    operation<float> op(plain_node(op::batch_norm, {1, 64, 64}, {.affine = false, .value = 1e-5}), 4, 1);
    for (float& x : op.in[0]) x = x * 0.01f + 1000.f; // E[x^2] - E[x]^2 would be all rounding
    double mean = 0, variance = 0;
    for (const float x : op.in[0]) mean += static_cast<double>(x) / static_cast<double>(op.in[0].size());
    for (const float x : op.in[0]) variance += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean) / static_cast<double>(op.in[0].size());
    op.forward();
    CHECK(op.state[1] == doctest::Approx(1 / std::sqrt(variance + 1e-5)).epsilon(1e-5));
}

TEST_CASE("max_pool gives the gradient to the first of equal pixels and lets a NaN through") {
    operation<float> op(window_node(op::max_pool, {1, 2, 4}, 1, {.kernel = 2, .stride = 2}), 1, 1);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    op.in[0] = {1, 3, 0, nan, 3, 3, 7, 0};
    op.grad_out = {5, 6};
    op.o.in[0].data = op.in[0].data();
    op.o.grad_out.data = op.grad_out.data();
    op.forward();
    op.backward();
    CHECK(op.out[0] == 3);
    CHECK(std::isnan(op.out[1]));
    CHECK(op.grad_in[0] == std::vector<float>{0, 5, 0, 6, 0, 0, 0, 0});
}

TEST_CASE("dropout drops the given share, scales the rest, and only in training") {
    operation<float> op(plain_node(op::dropout, {8, 64, 64}, {.value = 0.25}), 2, 1, 2);
    op.forward();
    std::size_t dropped = 0;
    for (std::size_t i = 0; i < op.out.size(); ++i) {
        if (op.out[i] == 0) ++dropped;
        else CHECK(op.out[i] == op.in[0][i] * (1 / 0.75f));
    }
    CHECK(static_cast<double>(dropped) / static_cast<double>(op.out.size()) == doctest::Approx(0.25).epsilon(0.02));
    op.o.training = false;
    op.forward();
    CHECK(same_bits(op.out, op.in[0]));
}

TEST_CASE("sigmoid and softmax stay finite for large inputs") {
    operation<float> logistic(plain_node(op::sigmoid, {1, 1, 4}), 1, 1);
    logistic.in[0].assign({-1000, -50, 50, 1000});
    logistic.forward();
    CHECK(logistic.out[0] == doctest::Approx(0));
    CHECK(logistic.out[3] == 1);
    operation<float> softmax(plain_node(op::softmax, {3, 1, 1}), 1, 1);
    softmax.in[0].assign({1000, 0, -1000});
    softmax.forward();
    CHECK(softmax.out[0] == 1);
    CHECK(softmax.out[1] <= 1e-30f);
    CHECK(softmax.out[2] <= 1e-30f);
}
