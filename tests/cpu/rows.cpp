// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include <tests/backend/operation.hpp>
#include <tests/cpu/row_operands.hpp>
#include <umsrep/backend/cpu/activation.hpp>
#include <umsrep/backend/cpu/combination.hpp>
#include <umsrep/backend/cpu/depthwise.hpp>
#include <umsrep/backend/cpu/dropout.hpp>
#include <umsrep/backend/cpu/group_norm.hpp>
#include <umsrep/backend/cpu/pooling.hpp>
#include <umsrep/backend/cpu/resampling.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// Every way to store a value of shape s; the second part of a deferred concatenation follows whole blocks.
std::vector<storing> ways_to_store(shape s) {
    std::vector<storing> ways{{}, {.norm = {true, false}}, {.norm = {true, false}, .relu = {true, false}}};
    if (!cpu_ops::stored_dense(s) && s.c >= 16 + 8) {
        const int second = s.c - (s.c >= 32 + 8 ? 32 : 16);
        ways.push_back({.second = second, .norm = {true, true}, .relu = {true, true}});
        ways.push_back({.second = second, .norm = {false, true}, .relu = {false, false}});
    }
    return ways;
}
std::vector<storing> ways_to_sink(shape s) {
    std::vector<storing> ways{{}, {.accumulate = {true, false}}};
    if (!cpu_ops::stored_dense(s) && s.c >= 16 + 8) {
        const int second = s.c - 16;
        ways.push_back({.second = second, .accumulate = {true, false}});
        ways.push_back({.second = second, .accumulate = {false, true}, .unwanted = {true, false}});
        ways.push_back({.second = second, .unwanted = {false, true}});
    }
    return ways;
}

void check_rows(const row_case& c, const row_operation& forward, const row_operation& backward, double tolerance,
                random_stream& r) {
    r();
    static thread_pool one(1), three(3);
    const row_results expected = row_run(c, r).expected();
    for (const std::string_view set : instruction_sets()) {
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        INFO(text_of(c) << "; " << std::string(set));
        row_run alone(c, r);
        alone.run(k, one, forward, backward);
        const row_errors e = alone.errors(expected);
        CHECK(e.out <= tolerance);
        CHECK(e.in[0] <= tolerance);
        CHECK(e.in[1] <= tolerance);
        CHECK(e.weight <= tolerance);
        CHECK(e.bias <= tolerance);
        CHECK(alone.workspace_kept());
        if (set != instruction_sets().back()) continue; // how work is cut does not depend on the set
        row_run shared(c, r);
        shared.run(k, three, forward, backward);
        CHECK(shared.same_bits(alone));
    }
}

/// All ways to store the input with one way to store the gradient, and the other way round.
void check_unary(row_case c, const row_operation& forward, const row_operation& backward, double tolerance, random_stream& r) {
    for (const storing& in : ways_to_store(c.n.in)) {
        c.in[0] = in;
        check_rows(c, forward, backward, tolerance, r);
    }
    for (const storing& in : {ways_to_store(c.n.in).front(), ways_to_store(c.n.in).back()})
        for (const storing& to : ways_to_sink(c.n.in)) {
            c.in[0] = in;
            c.sink[0] = to;
            check_rows(c, forward, backward, tolerance, r);
        }
}

/// Whether a pool has results, in blocks.
bool pools(const node& n) {
    const attributes& a = n.a;
    return n.in.h + 2 * a.padding.h > a.dilation.h * (a.kernel.h - 1) &&
           n.in.w + 2 * a.padding.w > a.dilation.w * (a.kernel.w - 1) && cpu_ops::pools_blocks(n);
}

constexpr shape blocked_shapes[] = {{8, 5, 4}, {16, 6, 7}, {40, 7, 9}, {17, 1, 6}, {51, 9, 5}};

} // namespace

TEST_CASE("max_pool of blocks is exact: the first of equal pixels, any window, deferred inputs, gradients that add") {
    constexpr seed s{51};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    constexpr attributes windows[] = {{.kernel = 2, .stride = 2},
                                      {.kernel = 3, .stride = 2, .padding = 1},
                                      {.kernel = 3, .stride = 1, .padding = 1},
                                      {.kernel = {1, 3}, .stride = {1, 3}},
                                      {.kernel = 2, .stride = 3},
                                      {.kernel = {3, 2}, .stride = 2, .padding = {1, 0}, .dilation = {2, 1}}};
    for (const attributes& a : windows)
        for (const shape in : blocked_shapes) {
            row_case c;
            c.n = window_node(op::max_pool, in, in.c, a);
            c.batch = 2;
            if (!pools(c.n)) continue;
            check_unary(c, cpu_ops::forward_max_pool, cpu_ops::backward_max_pool, 0, r);
        }
}

TEST_CASE("max_pool of blocks cut into bands: tall planes, one sample") {
    random_stream r(seed{52}, "rows");
    for (const shape in : {shape{16, 70, 67}, shape{8, 5, 2500}}) {
        row_case c;
        c.n = window_node(op::max_pool, in, in.c, {.kernel = 2, .stride = 2});
        check_unary(c, cpu_ops::forward_max_pool, cpu_ops::backward_max_pool, 0, r);
    }
}

TEST_CASE("max_pool of blocks: a NaN is the largest, the last one of several gets the gradient") {
    random_stream r(seed{53}, "rows");
    thread_pool pool(1);
    for (const attributes& a : {attributes{.kernel = 2, .stride = 2}, attributes{.kernel = 3, .stride = 2, .padding = 1}}) {
        row_case c;
        c.n = window_node(op::max_pool, {9, 6, 6}, 9, a);
        const double nan = std::numeric_limits<double>::quiet_NaN();
        c.set = {{0, nan}, {1, nan}, {15, nan}, {60, nan}, {67, nan}};
        row_run run(c, r);
        for (const std::string_view set : instruction_sets()) {
            INFO(std::string(set));
            run.run(*cpu_ops::find_kernels(set), pool, cpu_ops::forward_max_pool, cpu_ops::backward_max_pool);
            CHECK(run.errors(run.expected()).in[0] == 0);
        }
    }
}

TEST_CASE("avg_pool of blocks agrees with the reference") {
    constexpr seed s{54};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    constexpr attributes windows[] = {{.kernel = 2, .stride = 2},
                                      {.kernel = 3, .stride = 2, .padding = 1},
                                      {.kernel = 3, .stride = 1, .padding = 1, .count_include_pad = false},
                                      {.kernel = {1, 3}, .stride = {1, 2}}};
    for (const attributes& a : windows)
        for (const shape in : blocked_shapes) {
            row_case c;
            c.n = window_node(op::avg_pool, in, in.c, a);
            c.batch = 2;
            if (!pools(c.n)) continue;
            check_unary(c, cpu_ops::forward_avg_pool, cpu_ops::backward_avg_pool, 1e-6, r);
        }
}

TEST_CASE("global_avg_pool of blocks agrees with the reference, also over many pixels") {
    random_stream r(seed{55}, "rows");
    for (const shape in : {shape{8, 1, 2}, shape{24, 5, 3}, shape{51, 9, 5}, shape{17, 70, 67}}) {
        row_case c;
        c.n = global_node(in);
        c.batch = 3;
        check_unary(c, cpu_ops::forward_global_avg_pool, cpu_ops::backward_global_avg_pool, 1e-6, r);
    }
}

TEST_CASE("activations agree with the reference, in blocks and dense, and leave lanes without a channel at 0") {
    constexpr seed s{56};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    struct activation {
        op kind;
        row_operation forward, backward;
        bool by_result;
        double tolerance;
    };
    const activation activations[] = {
        {op::relu, cpu_ops::forward_relu, cpu_ops::backward_relu, true, 0},
        {op::leaky_relu, cpu_ops::forward_leaky_relu, cpu_ops::backward_leaky_relu, true, 1e-7},
        {op::gelu, cpu_ops::forward_gelu, cpu_ops::backward_gelu, false, 1e-6},
        {op::silu, cpu_ops::forward_silu, cpu_ops::backward_silu, false, 1e-6},
        {op::sigmoid, cpu_ops::forward_sigmoid, cpu_ops::backward_sigmoid, true, 1e-6},
    };
    for (const activation& f : activations)
        for (const shape in :
             {shape{3, 5, 4}, shape{21, 1, 1}, shape{1, 130, 253}, shape{8, 5, 4}, shape{40, 7, 9}, shape{17, 33, 64}}) {
            row_case c;
            c.n = plain_node(f.kind, in, {.value = 0.125});
            c.batch = 2;
            c.by_result = f.by_result;
            check_unary(c, f.forward, f.backward, f.tolerance, r);
            for (const storing& kept : ways_to_store(in)) {
                if (!f.by_result) break;
                c.kept = kept;
                check_rows(c, f.forward, f.backward, f.tolerance, r);
            }
        }
}

TEST_CASE("add is exact: two deferred inputs, gradients of both") {
    constexpr seed s{57};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    for (const shape in : {shape{3, 5, 4}, shape{21, 1, 1}, shape{8, 5, 4}, shape{40, 7, 9}, shape{17, 50, 51}}) {
        row_case c;
        c.n = plain_node(op::add, in);
        c.batch = 2;
        c.second = in;
        for (const storing& x : ways_to_store(in))
            for (const storing& y : ways_to_store(in)) {
                c.in[0] = x;
                c.in[1] = y;
                check_rows(c, cpu_ops::forward_add, cpu_ops::backward_add, 0, r);
            }
        for (const storing& x : ways_to_sink(in))
            for (const storing& y : ways_to_sink(in)) {
                c.sink[0] = x;
                c.sink[1] = y;
                check_rows(c, cpu_ops::forward_add, cpu_ops::backward_add, 0, r);
            }
    }
}

TEST_CASE("concat of blocks is exact, whether or not the first input fills its last block") {
    constexpr seed s{58};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    for (const auto& [first, second] : {std::pair{16, 8}, std::pair{32, 40}, std::pair{12, 20}, std::pair{8, 8}, std::pair{20, 9},
                                        std::pair{41, 27}, std::pair{9, 64}}) {
        const shape in{first, 5, 7}, other{second, 5, 7};
        row_case c;
        c.n = plain_node(op::concat, in);
        c.n.out.c = first + second;
        c.batch = 2;
        c.second = other;
        for (const storing& x : ways_to_store(in))
            for (const storing& y : ways_to_store(other)) {
                c.in[0] = x;
                c.in[1] = y;
                check_rows(c, cpu_ops::forward_concat, cpu_ops::backward_concat, 0, r);
            }
        for (const storing& x : ways_to_sink(in))
            for (const storing& y : ways_to_sink(other)) {
                c.sink[0] = x;
                c.sink[1] = y;
                check_rows(c, cpu_ops::forward_concat, cpu_ops::backward_concat, 0, r);
            }
    }
}

TEST_CASE("dropout drops the same elements of N, C, H, W as the reference does, whatever the layout") {
    constexpr seed s{62};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    const random_stream numbers(s, "dropout");
    for (const double p : {0.0, 0.25, 0.5, 1.0})
        for (const shape in : {shape{3, 5, 4}, shape{21, 1, 1}, shape{8, 5, 5}, shape{40, 7, 9}, shape{17, 33, 23}}) {
            row_case c;
            c.n = plain_node(op::dropout, in, {.value = p});
            c.batch = 3;
            c.random = &numbers;
            check_unary(c, cpu_ops::forward_dropout, cpu_ops::backward_dropout, 1e-6, r);
        }
}

TEST_CASE("group_norm of blocks agrees with the reference: groups across blocks, one channel, all channels") {
    constexpr seed s{63};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    struct size {
        shape s;
        int groups;
    };
    for (const auto& [in, groups] : {size{{8, 5, 4}, 2}, size{{40, 7, 9}, 5}, size{{40, 7, 9}, 1}, size{{51, 3, 5}, 17},
                                     size{{17, 6, 3}, 17}, size{{9, 70, 61}, 3}})
        for (const bool affine : {true, false}) {
            row_case c;
            c.n = plain_node(op::group_norm, in, {.groups = groups, .affine = affine, .value = 1e-5});
            c.batch = 2;
            for (int i = 0; affine && i < in.c; ++i) {
                c.weight.push_back(static_cast<float>(1 + i % 5) / 4);
                c.bias.push_back(static_cast<float>(i % 3) - 1);
            }
            c.workspace = cpu_ops::group_norm_workspace(in, c.batch);
            check_unary(c, cpu_ops::forward_group_norm, cpu_ops::backward_group_norm, 5e-6, r);
        }
}

TEST_CASE("exponentials and the normal distribution keep small relative errors over the whole range") {
    for (const std::string_view set : instruction_sets()) {
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        const cpu_ops::activation_table& others = cpu_ops::activations(k);
        INFO(std::string(set));
        std::vector<float> x, y;
        for (float v = -12; v <= 12; v += 0.0037f) x.push_back(v);
        y.resize(x.size());
        cpu_ops::map_row m;
        m.x = x.data();
        m.out = y.data();
        m.size = static_cast<std::ptrdiff_t>(x.size());
        const auto worst = [&](double from, double (*f)(double)) {
            double result = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double v = static_cast<double>(x[i]), expected = f(v);
                if (v >= from && expected != 0) result = std::max(result, std::abs(static_cast<double>(y[i]) / expected - 1));
            }
            return result;
        };
        k.rows->sigmoid(m);
        CHECK(worst(-12, [](double v) { return 1 / (1 + std::exp(-v)); }) < 3e-7);
        others.silu(m);
        CHECK(worst(-12, [](double v) { return v / (1 + std::exp(-v)); }) < 3e-7);
        others.gelu(m);
        const auto gelu = [](double v) { return v * std::erfc(-v / std::sqrt(2.0)) / 2; };
        CHECK(worst(-2, gelu) < 1e-6);
        CHECK(worst(-10, gelu) < 1e-5);
    }
}

TEST_CASE("exponentials end in 0, in 1, and nowhere in what is no number") {
    for (const std::string_view set : instruction_sets()) {
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        INFO(std::string(set));
        const std::vector<float> x{-1e30f, -1000, -104, -90, -88.3762664f, -88.3762512f, -87.4f, 87.4f, 88.3762512f, 88.3762664f, 90, 104, 1000, 1e30f};
        const std::vector<float> ones(x.size(), 1.0f);
        const auto values_of = [&](void (*f)(const cpu_ops::map_row&)) {
            std::vector<float> result(x.size());
            cpu_ops::map_row m;
            m.x = x.data();
            m.y = ones.data();
            m.out = result.data();
            m.size = static_cast<std::ptrdiff_t>(x.size());
            f(m);
            return result;
        };
        const std::vector<float> sigmoid = values_of(k.rows->sigmoid);
        const cpu_ops::activation_table& others = cpu_ops::activations(k);
        const std::vector<float> gelu = values_of(others.gelu), gelu_gradient = values_of(others.gelu_gradient), silu_gradient = values_of(others.silu_gradient);
        for (std::size_t i = 0; i < x.size(); ++i) {
            CAPTURE(x[i]);
            const float step = x[i] > 0 ? 1.0f : 0.0f;
            const float least = (1 + std::abs(x[i])) * 2e-38f; // of e^x
            CHECK(std::abs(sigmoid[i] - step) < least);
            CHECK(std::abs(gelu[i] - step * x[i]) < least);
            CHECK(std::abs(gelu_gradient[i] - step) < least);
            CHECK(std::abs(silu_gradient[i] - step) < least);
        }
    }
}

TEST_CASE("upsampling of blocks agrees with the reference") {
    constexpr seed s{59};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    for (const extent factor : {extent{2}, extent{3}, extent{1, 4}, extent{5, 2}})
        for (const shape in : {shape{8, 5, 4}, shape{40, 3, 9}, shape{17, 1, 2}, shape{9, 3, 70}}) {
            row_case c;
            c.batch = 2;
            c.n = upsample_node(op::upsample_nearest, in, factor);
            check_unary(c, cpu_ops::forward_upsample_nearest, cpu_ops::backward_upsample_nearest, 0, r);
            c.n = upsample_node(op::upsample_bilinear, in, factor);
            check_unary(c, cpu_ops::forward_upsample_bilinear, cpu_ops::backward_upsample_bilinear, 2e-6, r);
        }
}

namespace {

void run_depthwise(const cpu_ops::kernel_table& k, const operands<float>& o, bool backward) {
    const cpu_ops::correlation map = cpu_ops::correlation_of(*o.n, o.out.n);
    const bool transposed = o.n->kind == op::conv_transpose;
    cpu_ops::pass p;
    p.map = map;
    p.adjoint = transposed != backward;
    p.in = backward ? cpu_ops::whole(o.grad_out.data, o.n->out) : o.sources[0];
    p.out = backward ? o.sinks[0] : cpu_ops::whole(o.out.data, o.n->out);
    p.weight = o.weight;
    p.bias = backward ? nullptr : o.bias;
    p.pool = o.pool;
    p.workspace = o.workspace;
    cpu_ops::depthwise_pass(k, p);
    if (!backward) return;
    const parts<const float> dy = cpu_ops::whole(o.grad_out.data, o.n->out);
    cpu_ops::depthwise_weights(
        k, {map, transposed ? dy : o.sources[0], transposed ? o.sources[0] : dy, o.grad_weight, o.pool, o.workspace});
}

} // namespace

TEST_CASE(
    "depthwise convolutions and transposed ones agree with the reference: any window, deferred inputs, gradients that add") {
    constexpr seed s{60};
    INFO("seed " << s.value);
    random_stream r(s, "rows");
    constexpr attributes windows[] = {{.kernel = 3, .padding = 1},
                                      {.kernel = 3, .stride = 2, .padding = 1},
                                      {.kernel = 7, .padding = 3},
                                      {.kernel = {1, 5}, .stride = {1, 3}, .padding = {0, 2}},
                                      {.kernel = 3, .padding = 2, .dilation = 2},
                                      {.kernel = 2, .stride = 3, .padding = 1},
                                      {.kernel = {3, 2}, .stride = {2, 3}, .padding = {1, 0}, .dilation = {1, 2}}};
    for (const attributes& a : windows)
        for (const shape in : {shape{8, 9, 5}, shape{40, 7, 9}, shape{17, 3, 26}, shape{8, 9, 280}})
            for (const op kind : {op::conv, op::conv_transpose}) {
                row_case c;
                c.batch = 2;
                attributes with_groups = a;
                with_groups.groups = in.c;
                c.n = window_node(kind, in, in.c, with_groups);
                const cpu_ops::correlation map = cpu_ops::correlation_of(c.n, c.batch);
                if (c.n.out.h < 1 || c.n.out.w < 1 || !cpu_ops::suits_depthwise(map)) continue;
                for (const double v : draw(map.weights(), r)) c.weight.push_back(static_cast<float>(v));
                c.workspace = cpu_ops::depthwise_workspace(map);
                check_unary(
                    c, [](const auto& k, const auto& o) { run_depthwise(k, o, false); },
                    [](const auto& k, const auto& o) { run_depthwise(k, o, true); }, 3e-6, r);
            }
}

TEST_CASE("a depthwise pass adds bias, scales, shifts, rectifies and measures what it stores") {
    random_stream r(seed{61}, "rows");
    const shape s{21, 30, 90};
    const node n = window_node(op::conv, s, s.c, {.kernel = 3, .padding = 1, .groups = s.c});
    stored_value x(s, 2, {}, r);
    stored_gradient plain_out(s, 2, {}, r), out(s, 2, {}, r);
    std::vector<float> weight, bias, scale(32), shift(32);
    for (const double v : draw(s.c * 9, r)) weight.push_back(static_cast<float>(v));
    for (const double v : draw(s.c, r)) bias.push_back(static_cast<float>(v));
    for (int c = 0; c < s.c; ++c) {
        scale[static_cast<std::size_t>(c)] = c % 2 == 0 ? 0.5f : -1.0f;
        shift[static_cast<std::size_t>(c)] = static_cast<float>(c) - 10;
    }
    thread_pool pool(2);
    for (const std::string_view set : instruction_sets()) {
        INFO(std::string(set));
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        cpu_ops::pass p;
        p.map = cpu_ops::correlation_of(n, 2);
        std::vector<float> workspace(static_cast<std::size_t>(cpu_ops::depthwise_workspace(p.map)));
        std::vector<cpu_ops::moments> found(static_cast<std::size_t>(cpu_ops::depthwise_statistics_rows(p.map, false)) * 2);
        p.in = x.value;
        p.out = plain_out.sink;
        p.weight = weight.data();
        p.pool = &pool;
        p.workspace = workspace.data();
        cpu_ops::depthwise_pass(k, p);
        p.out = out.sink;
        p.bias = bias.data();
        p.then = {scale.data(), shift.data(), true};
        p.statistics = found.data();
        cpu_ops::depthwise_pass(k, p);
        bool clean = true;
        const std::vector<double> before = plain(plain_out.bits()[0], s, 2, clean), after = plain(out.bits()[0], s, 2, clean);
        CHECK(clean);
        for (int c = 0; c < s.c; ++c) {
            const std::size_t i = static_cast<std::size_t>(c), block = i / 16, lane = i % 16;
            double sum = 0, measured = 0;
            std::ptrdiff_t count = 0;
            for (std::ptrdiff_t sample = 0; sample < 2; ++sample)
                for (std::ptrdiff_t e = sample * s.size() + c * s.plane(), end = e + s.plane(); e < end; ++e) {
                    const std::size_t at = static_cast<std::size_t>(e);
                    const double expected =
                        std::max(0.0, (before[at] + static_cast<double>(bias[i])) * static_cast<double>(scale[i]) +
                                          static_cast<double>(shift[i]));
                    REQUIRE(std::abs(after[at] - expected) < 1e-3);
                    sum += after[at];
                }
            for (std::size_t row = 0; row < found.size() / 2; ++row) {
                const cpu_ops::moments& m = found[row * 2 + block];
                measured += static_cast<double>(m.origin[lane]) * m.count + static_cast<double>(m.sum[lane]);
                count += m.count;
            }
            CHECK(count == 2 * s.plane());
            CHECK(measured == doctest::Approx(sum).epsilon(1e-5));
        }
    }
}
