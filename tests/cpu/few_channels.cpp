// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <tests/backend/operation.hpp>
#include <tests/cpu/row_operands.hpp>
#include <umsrep/backend/cpu/direct.hpp>
#include <umsrep/backend/cpu/elementwise.hpp>
#include <umsrep/backend/cpu/few_channels.hpp>
#include <umsrep/backend/cpu/sum_channels.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// The passes of a node that few_channels.hpp does; what it does not do is left to the direct kernels.
void run_few_channels(const cpu_ops::kernel_table& k, const operands<float>& o, bool backward) {
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
    if (cpu_ops::suits_few_channels(map, p.adjoint)) cpu_ops::few_channels_pass(k, p);
    else cpu_ops::direct_pass(k, p);
    if (!backward) return;
    const parts<const float> dy = cpu_ops::whole(o.grad_out.data, o.n->out);
    cpu_ops::few_channels_weights(k, {map, transposed ? dy : o.sources[0], transposed ? o.sources[0] : dy, o.grad_weight, o.pool, o.workspace});
    if (o.grad_bias != nullptr) cpu_ops::sum_channels(k, dy, o.n->out, o.out.n, *o.pool, o.workspace, o.grad_bias);
}

std::ptrdiff_t workspace_for(const cpu_ops::correlation& map, shape out, int threads) {
    std::ptrdiff_t most = std::max(cpu_ops::few_channels_workspace(map, threads), cpu_ops::sum_channels_workspace(out, map.batch));
    for (const bool adjoint : {false, true})
        if (!cpu_ops::suits_few_channels(map, adjoint)) most = std::max(most, cpu_ops::plan_direct(map, adjoint, threads).workspace());
    return most;
}

/// Against reference<double>, with every instruction set; and the same bits from three threads as from one.
void check_few_channels(const row_case& c, random_stream& r) {
    r();
    thread_pool one(1), three(3);
    const row_results expected = row_run(c, r).expected();
    const auto forward = [](const cpu_ops::kernel_table& k, const operands<float>& o) { run_few_channels(k, o, false); };
    const auto backward = [](const cpu_ops::kernel_table& k, const operands<float>& o) { run_few_channels(k, o, true); };
    for (const std::string_view set : instruction_sets()) {
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        INFO(text_of(c) << "; " << std::string(set));
        row_run alone(c, r), shared(c, r);
        alone.run(k, one, forward, backward);
        const row_errors e = alone.errors(expected);
        CHECK(e.out <= 3e-6);
        CHECK(e.in[0] <= 3e-6);
        CHECK(e.weight <= 3e-6);
        CHECK(e.bias <= 3e-6);
        CHECK(alone.workspace_kept());
        shared.run(k, three, forward, backward);
        CHECK(shared.same_bits(alone));
        CHECK(shared.workspace_kept());
    }
}

row_case few_channels_case(op kind, shape in, int channels, attributes a, int batch, random_stream& r) {
    row_case c;
    c.batch = batch;
    c.n = window_node(kind, in, channels, a);
    const cpu_ops::correlation map = cpu_ops::correlation_of(c.n, batch);
    for (const double v : draw(map.weights(), r)) c.weight.push_back(static_cast<float>(v));
    if (a.bias)
        for (const double v : draw(channels, r)) c.bias.push_back(static_cast<float>(v));
    if (c.n.out.h > 0 && c.n.out.w > 0) c.workspace = workspace_for(map, c.n.out, 3);
    return c;
}

} // namespace

static_assert(cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {32, 8, 8}, .narrow = {1, 8, 8}}, false));
static_assert(cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {32, 8, 8}, .narrow = {7, 8, 8}}, true));
static_assert(cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {3, 8, 8}, .narrow = {8, 8, 8}, .kernel = 3, .padding = 1}, false));
static_assert(cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {3, 8, 8}, .narrow = {8, 4, 4}, .kernel = 3, .stride = 2, .padding = 1}));
static_assert(cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {32, 8, 8}, .narrow = {3, 8, 8}, .kernel = 3, .padding = 1}, true));
static_assert(!cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {32, 8, 8}, .narrow = {3, 8, 8}, .kernel = 3, .padding = 1}, false));
static_assert(!cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {32, 8, 8}, .narrow = {8, 8, 8}}, false));
static_assert(!cpu_ops::suits_few_channels(cpu_ops::correlation{.wide = {3, 8, 8}, .narrow = {3, 8, 8}}, false));

TEST_CASE("convolutions between blocks and up to seven dense channels agree with the reference: any window, both ways") {
    constexpr seed s{70};
    INFO("seed " << s.value);
    random_stream r(s, "few channels");
    constexpr attributes windows[] = {{.bias = true},
                                      {.kernel = 3, .padding = 1, .bias = true},
                                      {.kernel = 3, .stride = 2, .padding = 1},
                                      {.stride = 2},
                                      {.kernel = 7, .stride = 2, .padding = 3, .bias = true},
                                      {.kernel = {1, 5}, .stride = {1, 3}, .padding = {0, 2}},
                                      {.kernel = {3, 2}, .padding = {4, 1}, .dilation = {2, 1}},
                                      {.kernel = 3}};
    constexpr extent sizes[] = {{9, 5}, {1, 26}, {7, 300}, {13, 17}};
    constexpr int many[] = {8, 16, 21, 40};
    int checked = 0;
    for (const attributes& a : windows)
        for (int few = 1; few <= 7; ++few)
            for (const bool from_few : {true, false}) {
                const extent size = sizes[(few + checked) % 4];
                const int blocked = many[checked % 4];
                const shape in{from_few ? few : blocked, size.h, size.w};
                const row_case c = few_channels_case(op::conv, in, from_few ? blocked : few, a, 1 + few % 3, r);
                if (c.n.out.h < 1 || c.n.out.w < 1 || !cpu_ops::suits_few_channels(cpu_ops::correlation_of(c.n, c.batch))) continue;
                ++checked;
                check_few_channels(c, r);
            }
    CHECK(checked > 70);
}

TEST_CASE("a stride along an axis of one pixel is no step: planes one pixel wide, or high") {
    random_stream r(seed{77}, "few channels");
    for (const attributes& a : {attributes{.stride = {1, 2}}, attributes{.stride = {2, 1}}, attributes{.kernel = {3, 1}, .stride = {1, 3}}}) {
        check_few_channels(few_channels_case(op::conv, {3, 6, 1}, 16, a, 2, r), r);
        check_few_channels(few_channels_case(op::conv, {3, 1, 6}, 16, a.kernel == extent{1} ? a : attributes{.kernel = {1, 3}, .stride = {3, 1}}, 2, r), r);
    }
}

TEST_CASE("transposed convolutions between blocks and a few dense channels agree with the reference") {
    random_stream r(seed{71}, "few channels");
    int checked = 0;
    for (const attributes& a : {attributes{.bias = true}, attributes{.kernel = 3, .padding = 1, .bias = true}, attributes{.kernel = 2, .stride = 2}})
        for (const int few : {1, 3, 6})
            for (const bool from_few : {true, false}) {
                const row_case c = few_channels_case(op::conv_transpose, {from_few ? few : 24, 7, 11}, from_few ? 24 : few, a, 2, r);
                if (!cpu_ops::suits_few_channels(cpu_ops::correlation_of(c.n, c.batch))) continue;
                ++checked;
                check_few_channels(c, r);
            }
    CHECK(checked == 15); // not those that step over few narrow channels
}

TEST_CASE("few channels: values behind norms and ReLUs, in two parts, gradients that add or that nobody wants") {
    random_stream r(seed{72}, "few channels");
    const std::vector<storing> sources{{},
                                       {.norm = {true, false}},
                                       {.norm = {true, false}, .relu = {true, false}},
                                       {.second = 9, .norm = {true, true}, .relu = {true, false}},
                                       {.second = 9, .norm = {false, true}, .relu = {false, true}}};
    const std::vector<storing> sinks{{},
                                     {.accumulate = {true, false}},
                                     {.second = 9, .accumulate = {true, false}},
                                     {.second = 9, .accumulate = {false, true}, .unwanted = {true, false}},
                                     {.second = 9, .unwanted = {false, true}}};
    for (const attributes& a : {attributes{.bias = true}, attributes{.kernel = 3, .padding = 1, .bias = true}})
        for (const int few : {1, 3, 7})
            for (const bool from_few : {true, false})
                for (std::size_t i = 0; i < sources.size(); ++i) {
                    row_case c = few_channels_case(op::conv, {from_few ? few : 41, 5, 19}, from_few ? 41 : few, a, 2, r);
                    c.in[0] = sources[i];
                    c.sink[0] = sinks[i % sinks.size()];
                    if (from_few && (c.in[0].second > 0 || c.sink[0].second > 0)) continue;
                    check_few_channels(c, r);
                }
}

TEST_CASE("few channels: tall and wide planes are cut into bands") {
    random_stream r(seed{73}, "few channels");
    check_few_channels(few_channels_case(op::conv, {16, 190, 190}, 1, {.bias = true}, 4, r), r); // more bands than sums
    check_few_channels(few_channels_case(op::conv, {1, 190, 190}, 8, {.kernel = 3, .padding = 1}, 4, r), r);
    check_few_channels(few_channels_case(op::conv, {3, 70, 67}, 20, {.kernel = 7, .stride = 2, .padding = 3}, 2, r), r);
    check_few_channels(few_channels_case(op::conv, {2, 3, 5000}, 17, {.kernel = 3, .padding = 1}, 1, r), r);
    check_few_channels(few_channels_case(op::conv, {1000, 4, 5}, 2, {.bias = true}, 1, r), r);
}

TEST_CASE("few channels: a pass adds bias, scales, shifts, rectifies and measures what it stores") {
    random_stream r(seed{74}, "few channels");
    constexpr int batch = 2;
    const auto numbers = [&](int n, int stored_) {
        std::vector<float> result(static_cast<std::size_t>(stored_), 0.0f);
        for (int i = 0; i < n; ++i) result[static_cast<std::size_t>(i)] = static_cast<float>(1 + r.below(9)) / 4 * (i % 2 == 0 ? 1.0f : -1.0f);
        return result;
    };
    for (const auto& [in, out_channels] : {std::pair{shape{2, 30, 90}, 21}, std::pair{shape{21, 30, 90}, 2}}) {
        const node n = window_node(op::conv, in, out_channels, {.kernel = in.c == 2 ? 3 : 1, .padding = in.c == 2 ? 1 : 0});
        const stored_value x(in, batch, {}, r);
        const std::vector<float> weight = numbers(static_cast<int>(cpu_ops::correlation_of(n, batch).weights()), 9 * 42),
                                 bias = numbers(n.out.c, n.out.c), scale = numbers(n.out.c, 32), shift = numbers(n.out.c, 32);
        thread_pool pool(2);
        for (const std::string_view set : instruction_sets()) {
            INFO(std::string(set));
            const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
            stored_gradient before(n.out, batch, {}, r), after(n.out, batch, {}, r);
            cpu_ops::pass p;
            p.map = cpu_ops::correlation_of(n, batch);
            std::vector<float> workspace(static_cast<std::size_t>(cpu_ops::few_channels_workspace(p.map, 2)));
            const std::size_t rows = static_cast<std::size_t>(cpu_ops::few_channels_statistics_rows(p.map));
            std::vector<cpu_ops::moments> found(rows * 2);
            p.in = x.value;
            p.out = before.sink;
            p.weight = weight.data();
            p.pool = &pool;
            p.workspace = workspace.data();
            cpu_ops::few_channels_pass(k, p);
            p.out = after.sink;
            p.bias = bias.data();
            p.then = {scale.data(), shift.data(), true};
            const bool measures = !cpu_ops::stored_dense(n.out);
            if (measures) p.statistics = found.data();
            cpu_ops::few_channels_pass(k, p);
            bool clean = true;
            const std::vector<double> was = plain(before.bits()[0], n.out, batch, clean), is = plain(after.bits()[0], n.out, batch, clean);
            CHECK(clean);
            for (int c = 0; c < n.out.c; ++c) {
                const std::size_t i = static_cast<std::size_t>(c);
                double sum = 0, square = 0;
                const double count = static_cast<double>(batch * n.out.plane());
                for (std::ptrdiff_t sample = 0; sample < batch; ++sample)
                    for (std::ptrdiff_t e = 0; e < n.out.plane(); ++e) {
                        const std::size_t at = static_cast<std::size_t>(sample * n.out.size() + c * n.out.plane() + e);
                        const double v = (was[at] + static_cast<double>(bias[i])) * static_cast<double>(scale[i]) + static_cast<double>(shift[i]);
                        REQUIRE(std::abs(is[at] - std::max(0.0, v)) < 1e-3);
                        sum += is[at];
                        square += is[at] * is[at];
                    }
                if (!measures) continue;
                double measured = 0, variance = 0, pixels = 0;
                for (std::size_t row = 0; row < rows; ++row) {
                    const cpu_ops::moments& m = found[row * 2 + i / 16];
                    const double origin = static_cast<double>(m.origin[i % 16]), s = static_cast<double>(m.sum[i % 16]);
                    measured += origin * m.count + s;
                    variance += static_cast<double>(m.square[i % 16]) + 2 * origin * s + origin * origin * m.count;
                    pixels += m.count;
                }
                CHECK(pixels == count);
                CHECK(measured == doctest::Approx(sum).epsilon(1e-5));
                CHECK(variance == doctest::Approx(square).epsilon(1e-5));
            }
        }
    }
}

TEST_CASE("blocks written past the caches have the same bits") {
    random_stream r(seed{75}, "few channels");
    const std::vector<double> numbers = draw(60, r);
    const std::vector<float> planes(numbers.begin(), numbers.begin() + 28), weights(numbers.begin() + 28, numbers.end());
    const std::ptrdiff_t offset[] = {0, 3};
    for (const std::string_view set : instruction_sets()) {
        INFO(std::string(set));
        alignas(64) float kept[25 * cpu_ops::lanes], streamed[25 * cpu_ops::lanes];
        cpu_ops::output_reading o;
        const cpu_ops::row_table& rows = *cpu_ops::find_kernels(set)->rows;
        rows.from_planes({planes.data(), offset, 2, 1}, weights.data(), 25, o, kept);
        o.stream = true;
        rows.from_planes({planes.data(), offset, 2, 1}, weights.data(), 25, o, streamed);
        CHECK(std::memcmp(kept, streamed, sizeof kept) == 0);
        CHECK(kept[0] == planes[0] * weights[0] + planes[3] * weights[16]);
    }
}

TEST_CASE("sums over the pixels of dense planes are right for every size and the same for every number of threads") {
    random_stream r(seed{76}, "few channels");
    const cpu_ops::kernel_table& k = cpu_ops::kernels();
    for (const shape s : {shape{1, 1, 1}, shape{40, 1, 1}, shape{7, 3, 5}, shape{2, 8, 8}, shape{3, 9, 13}, shape{1, 130, 67}})
        for (const int batch : {1, 5}) {
            const std::vector<double> plain_values = draw(batch * s.size(), r);
            const std::vector<float> values(plain_values.begin(), plain_values.end());
            std::vector<float> results[2];
            for (const int threads : {1, 3}) {
                thread_pool pool(threads);
                std::vector<float> workspace(static_cast<std::size_t>(cpu_ops::sum_channels_workspace(s, batch)) + 1, std::numeric_limits<float>::quiet_NaN());
                std::vector<float>& sums = results[threads / 2];
                sums.assign(static_cast<std::size_t>(s.c), std::numeric_limits<float>::quiet_NaN());
                cpu_ops::sum_channels(k, cpu_ops::whole(values.data(), s), s, batch, pool, workspace.data(), sums.data());
                CHECK(std::isnan(workspace.back()));
            }
            CHECK(results[0] == results[1]);
            for (int c = 0; c < s.c; ++c) {
                double expected = 0; // multiples of 1/8: every sum is exact
                for (int n = 0; n < batch; ++n)
                    for (std::ptrdiff_t x = 0; x < s.plane(); ++x) expected += plain_values[static_cast<std::size_t>(n * s.size() + c * s.plane() + x)];
                CHECK(static_cast<double>(results[0][static_cast<std::size_t>(c)]) == expected);
            }
        }
}
