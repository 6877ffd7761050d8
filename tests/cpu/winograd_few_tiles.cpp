// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <umsrep/backend/cpu/winograd_few_tiles.hpp>
#include <umsrep/core/random.hpp>

using namespace umsrep;

namespace {

/// A 3x3 pass with everything that may be asked of it, in numbers of its own.
struct few_tiles_case {
    cpu_ops::pass pass{};
    std::vector<float> weight, bias, scale, shift, norm;
    std::vector<float> in[2], out[2];

    explicit few_tiles_case(random_stream& r) {
        cpu_ops::correlation& map = pass.map;
        map.kernel = extent{3};
        map.padding = {below(r, 3), below(r, 3)};
        map.batch = 1 + below(r, 3);
        map.wide = {8 + below(r, 60), 4 + below(r, 14), 4 + below(r, 14)};
        map.narrow = {8 + below(r, 100), map.wide.h + 2 * map.padding.h - 2, map.wide.w + 2 * map.padding.w - 2};
        pass.adjoint = below(r, 2) == 1;
        weight = numbers(map.weights(), r);
        pass.weight = weight.data();
        const int blocks = cpu_ops::blocks_of(pass.to().c), in_channels = cpu_ops::blocks_of(pass.from().c) * cpu_ops::lanes;
        if (below(r, 2) == 1) {
            bias = numbers(pass.to().c, r);
            pass.bias = bias.data();
        }
        if (below(r, 2) == 1) {
            scale = numbers(blocks * cpu_ops::lanes, r);
            shift = numbers(blocks * cpu_ops::lanes, r);
            pass.then = {scale.data(), shift.data(), false};
        }
        pass.then.relu = below(r, 2) == 1;
        norm = numbers(2 * cpu_ops::norm_state_size(in_channels), r);
        spread(pass.in, pass.from(), in, r);
        for (int i = 0; i < pass.in.count; ++i) {
            if (below(r, 2) == 1) pass.in[i].norm = norm.data() + i * cpu_ops::norm_state_size(in_channels);
            pass.in[i].relu = below(r, 2) == 1;
        }
        spread(pass.out, pass.to(), out, r);
        for (int i = 0; i < pass.out.count; ++i) pass.out[i].accumulate = below(r, 3) == 0;
        if (pass.out.count == 2 && below(r, 3) == 0) pass.out[below(r, 2)].data = nullptr; // unwanted
    }

    static int below(random_stream& r, int n) { return static_cast<int>(r.below(static_cast<std::uint32_t>(n))); }
    static std::vector<float> numbers(std::ptrdiff_t n, random_stream& r) {
        std::vector<float> result(static_cast<std::size_t>(n));
        for (float& v : result) v = 2 * r.uniform() - 1;
        return result;
    }

    /// A value in one part, or in two of which the first ends with a block.
    template <class T>
    void spread(parts<T>& value, shape s, std::vector<float>* memory, random_stream& r) const {
        value.count = s.c > 24 && below(r, 2) == 1 ? 2 : 1;
        value[0].s = value[1].s = s;
        if (value.count == 2) {
            value[0].s.c = cpu_ops::lanes * (1 + below(r, (s.c - 8) / cpu_ops::lanes));
            value[1].s.c -= value[0].s.c;
        }
        for (int i = 0; i < value.count; ++i) {
            memory[i] = numbers(pass.map.batch * cpu_ops::stored_elements(value[i].s), r);
            value[i].data = memory[i].data();
        }
    }
};

struct few_tiles_result {
    std::vector<float> out[2];
    std::vector<cpu_ops::moments> statistics;

    /// How it differs from another; empty where all bits are the same.
    std::string difference(const few_tiles_result& other) const {
        for (int i = 0; i < 2; ++i)
            for (std::size_t j = 0; j < out[i].size(); ++j)
                if (std::memcmp(&out[i][j], &other.out[i][j], sizeof(float)) != 0)
                    return "part " + std::to_string(i) + ", element " + std::to_string(j) + ": " + std::to_string(out[i][j]) +
                           " and " + std::to_string(other.out[i][j]);
        for (std::size_t i = 0; i < statistics.size(); ++i)
            if (std::memcmp(&statistics[i], &other.statistics[i], sizeof(cpu_ops::moments)) != 0)
                return "statistics, entry " + std::to_string(i);
        return "";
    }
};

/// Runs `what(pass)` in memory of `size` elements that hold no number and with fences behind them.
template <class Run>
few_tiles_result run_few_tiles(const few_tiles_case& c, thread_pool& pool, const cpu_ops::winograd_plan& plan,
                               cpu_ops::scratch_memory size, Run what) {
    static constexpr float fence = 12345;
    few_tiles_result result{{c.out[0], c.out[1]}, {}};
    result.statistics.resize(static_cast<std::size_t>(plan.blocks() * plan.out));
    const auto fenced = [](std::ptrdiff_t elements) {
        std::vector<float> memory(static_cast<std::size_t>(elements), std::numeric_limits<float>::quiet_NaN());
        memory.resize(memory.size() + 64, fence);
        return memory;
    };
    std::vector<float> workspace = fenced(size.shared), workers;
    for (int worker = 0; worker < pool.threads(); ++worker) {
        const std::vector<float> one = fenced(size.worker);
        workers.insert(workers.end(), one.begin(), one.end());
    }
    const auto kept = [](const float* fences) { return std::all_of(fences, fences + 64, [](float v) { return v == fence; }); };
    cpu_ops::pass p = c.pass;
    for (int i = 0; i < 2; ++i)
        if (p.out[i].data != nullptr) p.out[i].data = result.out[i].data();
    const bool measures = p.out.count == 1;
    if (measures) p.statistics = result.statistics.data();
    else result.statistics.clear();
    p.pool = &pool;
    p.workspace = workspace.data();
    p.workers = {workers.data(), size.worker + 64};
    what(p);
    CHECK(kept(workspace.data() + size.shared));
    for (int worker = 0; worker < pool.threads(); ++worker) CHECK(kept(p.workers.of(worker) + size.worker));
    for (const std::vector<float>& part : result.out)
        CHECK(std::none_of(part.begin(), part.end(), [](float v) { return std::isnan(v); }));
    return result;
}

} // namespace

TEST_CASE("Winograd's filtering of few tiles gives the bits of the way through memory, for any plan and number of threads") {
    random_stream r(seed{1}, "few tiles");
    thread_pool one(1), three(3);
    for (int i = 0; i < 60; ++i) {
        const few_tiles_case c(r);
        INFO("case " << i << ": " << c.pass.from().c << " x " << c.pass.from().h << " x " << c.pass.from().w << " to "
                     << c.pass.to().c << " channels, batch " << c.pass.map.batch << (c.pass.adjoint ? ", adjoint" : ""));
        for (const char* const set : {"portable", "avx2", "avx512"}) {
            const cpu_ops::kernel_table* const k = cpu_ops::find_kernels(set);
            if (k == nullptr) continue;
            INFO(std::string(set));
            const auto plan = [&](int threads) {
                return cpu_ops::plan_winograd(c.pass.from().c, c.pass.to(), c.pass.map.batch, threads);
            };
            const auto through_memory = [&](thread_pool& pool, bool owns_weights) {
                cpu_ops::winograd_plan p = plan(pool.threads());
                p.owns_weights = owns_weights && !p.together;
                return run_few_tiles(c, pool, p, p.memory(), [&](const cpu_ops::pass& x) { cpu_ops::winograd_pass(*k, x, p); });
            };
            const few_tiles_result expected = through_memory(one, false);
            for (const bool owns_weights : {false, true}) CHECK(through_memory(three, owns_weights).difference(expected) == "");
            for (thread_pool* const pool : {&one, &three}) {
                cpu_ops::few_tiles_plan p = cpu_ops::plan_few_tiles(plan(pool->threads()));
                const auto check = [&] {
                    INFO(pool->threads() << " threads, " << p.units << " units, " << p.depth << " deep, " << p.groups << " groups" << (p.shares_inputs ? ", inputs shared" : ""));
                    const few_tiles_result got = run_few_tiles(
                        c, *pool, p.tiles, p.memory(), [&](const cpu_ops::pass& x) { cpu_ops::few_tiles_pass(*k, x, p); });
                    CHECK(got.difference(expected) == "");
                };
                check();
                p.units = 1 + few_tiles_case::below(r, p.tiles.out);
                p.depth = 1 + few_tiles_case::below(r, std::min(p.tiles.in, cpu_ops::few_tiles_plan::most_depth));
                p.groups = 1 + few_tiles_case::below(r, p.tiles.blocks());
                for (const bool shares : {false, true}) {
                    p.shares_inputs = shares;
                    check();
                }
            }
        }
    }
}

TEST_CASE("few tiles and many channels are multiplied without transformed weights in memory, whatever the number of threads") {
    for (const int threads : {1, 2, 64}) {
        const auto suits = [&](int from, shape to, int batch) {
            return cpu_ops::suits_few_tiles(cpu_ops::plan_winograd(from, to, batch, threads));
        };
        CHECK(suits(512, {512, 16, 16}, 1));
        CHECK(suits(512, {256, 32, 32}, 1));
        CHECK(suits(512, {512, 16, 16}, 8));
        CHECK_FALSE(suits(64, {64, 128, 128}, 1));
        CHECK_FALSE(suits(512, {512, 16, 16}, 32));
        CHECK_FALSE(suits(32, {32, 16, 16}, 1)); // the weights stay in a cache
    }
}
