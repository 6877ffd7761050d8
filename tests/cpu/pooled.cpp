// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <tests/cpu/backends.hpp>
#include <tests/support/graph_parity.hpp>
#include <tests/support/graph_writer.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// The backend without steps that compute a pool and what it reads at once.
struct step_by_step : cpu<> {
    static constexpr storage_policy storage = [] {
        storage_policy s = cpu<>::storage;
        s.joins = nullptr;
        return s;
    }();
};

/// A convolution, perhaps its norm and ReLU, a pool and, so that all of both is seen, heads of both.
graph pooled_network(shape image, int channels, bool norm, bool relu, extent kernel = 2) {
    graph_writer w(image);
    w.stage("e1");
    int x = w.conv(0, channels, {.kernel = 3, .padding = 1, .bias = !norm});
    if (norm) x = w.batch_norm(x);
    if (relu) x = w.relu(x);
    w.stage("e2");
    const int pool = w.pool(x, op::max_pool, {.kernel = kernel, .stride = kernel});
    w.head("whole", x);
    w.plain(x, op::sigmoid);
    w.head("pooled", pool);
    w.plain(pool, op::sigmoid);
    return w.finish();
}

template <class Backend = fast>
bool joins(const graph& g) {
    for (const step& s : make_plan(g, infer::value(2), Backend::storage).steps)
        if (g[s.first].kind == op::conv && g[s.last].kind == op::max_pool) return true;
    return false;
}

} // namespace

TEST_CASE("a pool that a convolution computes with its own results has the bits of one that reads them") {
    random_stream r(seed{97}, "pooled");
    int blocks = 0, few_tiles = 0, together = 0; // the ways through Winograd's method
    for (const shape image : {shape{16, 4, 4}, shape{16, 12, 24}, shape{24, 37, 53}, shape{48, 13, 30}, shape{140, 18, 11}, shape{260, 16, 16}, shape{260, 48, 48}})
        for (const int channels : {16, 40})
            for (const bool norm : {false, true})
                for (const bool relu : {false, true}) {
                    const graph g = pooled_network(image, channels, norm, relu);
                    REQUIRE(joins(g));
                    for (const int batch : {1, 3}) {
                        INFO(text_of(g, batch));
                        const auto plan = cpu_ops::plan_winograd(image.c, {channels, image.h, image.w}, batch, 2);
                        ++(!plan.together ? blocks : cpu_ops::suits_few_tiles(plan) ? few_tiles : together);
                        const graph_data d = draw_data(g, batch, r);
                        const run_options options{.capacity = batch + 1, .threads = 2, .garbage = std::numeric_limits<float>::quiet_NaN()};
                        CHECK(same_bits(run_graph<step_by_step>(g, infer::value(2), d, options), run_graph<fast>(g, infer::value(2), d, options)));
                    }
                }
    CHECK(blocks > 0);
    CHECK(few_tiles > 0);
    CHECK(together > 0);
}

TEST_CASE("... also where both are written past the caches") {
    const graph g = pooled_network({16, 512, 258}, 16, true, true);
    REQUIRE(joins(g));
    random_stream r(seed{98}, "pooled");
    const graph_data d = draw_data(g, 1, r);
    CHECK(same_bits(run_graph<step_by_step>(g, infer::value(2), d), run_graph<fast>(g, infer::value(2), d)));
}

TEST_CASE("a NaN among the results is the largest under its window") {
    const shape image{16, 12, 12};
    const graph g = pooled_network(image, 16, false, true);
    random_stream r(seed{99}, "pooled");
    graph_data d = draw_data(g, 1, r);
    d.images[5 * 12 + 7] = std::numeric_limits<float>::quiet_NaN();
    const graph_result result = run_graph<fast>(g, infer::value(2), d);
    CHECK(same_bits(run_graph<step_by_step>(g, infer::value(2), d), result));
    int nans = 0;
    for (const auto& v : result.heads[1]) nans += std::isnan(v) ? 1 : 0;
    CHECK(nans >= 16);      // the window of that pixel in all channels
    CHECK(nans < 16 * 36); // and not all of them: a tile of filtering is as far as it reaches
}

TEST_CASE("other pools, and pools behind what is no convolution by Winograd's method, are steps of their own") {
    CHECK_FALSE(joins(pooled_network({16, 12, 12}, 16, true, true, 3)));
    CHECK_FALSE(joins(pooled_network({3, 12, 12}, 16, true, true)));
    CHECK_FALSE(joins<exact_only>(pooled_network({16, 12, 12}, 16, true, true)));
    CHECK_FALSE(joins<step_by_step>(pooled_network({16, 12, 12}, 16, true, true)));
}
