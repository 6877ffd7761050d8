// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <string>

#include <tests/cpu/backends.hpp>
#include <tests/graph/random_graph.hpp>
#include <tests/support/budget.hpp>
#include <tests/support/graph_parity.hpp>
#include <tests/support/random_network.hpp>
#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/network/lower.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// Whether a norm would have to take the statistics of a single value.
bool norms_one_value(const graph& g, const mode& m, int batch) {
    const auto use = prune(g, m);
    for (int i = 0; i < g.size(); ++i)
        if (use[static_cast<std::size_t>(i)].batch_statistics && batch * g[i].in.plane() == 1) return true;
    return false;
}

struct tally {
    int checked = 0, refused = 0, passed_over = 0;
};

/// One network in one mode. Rounding adds up over its layers: ten times what one operation may be off, or a hundred times what rounding does to
/// the plain float kernels, is a network right in every part; a wrong one is off by far more. Data for which a rectifier is nearer to its kink
/// than rounding is, or for which a norm divides by a deviation that is thirty times smaller than its input (statistics.cpp has those), are drawn
/// anew; for Winograd's transforms, which amplify rounding, they come from a narrower family, or few would pass.
template <class Backend>
void check_network(const graph& g, const mode& m, int batch, random_stream& r, tally& t) {
    constexpr bool is_exact = tolerance<Backend> < 5e-5;
    if (norms_one_value(g, m, batch)) {
        CHECK_THROWS_AS(run_graph<Backend>(g, m, draw_data(g, batch, r)), shape_mismatch);
        ++t.refused;
        return;
    }
    for (int attempt = 0; attempt < 4; ++attempt) {
        const graph_data d = draw_data(g, batch, r, is_exact || attempt == 0 ? drawn::freely : drawn::decided);
        const graph_oracle<double> oracle(g, m, d);
        if (oracle.distance_from_kinks() < (is_exact ? 5e-5 : 1e-3) || oracle.amplification() > 30) continue;
        parity p(g, oracle, 10 * tolerance<Backend>);
        p.or_noise(graph_oracle<float>(g, m, d).result(), 100);
        const run_options options{.capacity = batch + static_cast<int>(r.below(3)), .threads = static_cast<int>(1 + r.below(2)), .runs = static_cast<int>(1 + r.below(2)),
                                  .garbage = std::numeric_limits<float>::quiet_NaN()};
        INFO(text_of(g, batch, options.capacity));
        CHECK(p.violation(run_graph<Backend>(g, m, d, options)) == "");
        ++t.checked;
        return;
    }
    ++t.passed_over;
}

std::string mode_text(const mode& m) {
    return std::string(m.training ? "train" : m.logits ? "validate" : "infer") + ", heads " + std::to_string(m.heads & 7) + ", first trained stage " +
           std::to_string(m.first_trained_stage) + ", norms " + std::to_string(static_cast<int>(m.norms)) + (m.checkpoint ? ", checkpoints" : "");
}

/// Training of everything, prediction, and one of the other modes.
template <class Backend>
void check_modes(const graph& g, random_stream& r, tally& t) {
    const std::vector<mode> modes = modes_of(g);
    mode train{};
    train.training = true;
    for (const mode& m : {train, infer::value(g.stage_count()), modes[r.below(static_cast<std::uint32_t>(modes.size()))]}) {
        INFO(mode_text(m));
        check_network<Backend>(g, m, static_cast<int>(1 + r.below(3)), r, t);
    }
}

/// Images large enough that tasks have several bands and Winograd's tiles go together, with strided shortcuts of 1x1. SiLU, for among so many values one
/// would be at the kink of a ReLU.
template <int C>
struct residual_step : seq<residual<seq<conv<C, 3, stride<2>, no_bias>, batch_norm, silu, conv<C, 3, no_bias>, batch_norm>,
                                    seq<conv<C, 1, stride<2>, no_bias>, batch_norm>>, silu> {};
struct shortcuts : encoder<image<1, 64, 64>,
    stage<"e1", conv<32, 3>, batch_norm, silu>,
    stage<"e2", residual_step<64>>,
    stage<"e3", residual_step<160>>> {};
struct large : network<shortcuts, head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

} // namespace

TEST_CASE_TEMPLATE("a residual network on larger images agrees with the reference, with fewer images than it has room for", Backend, fast, exact_only) {
    const graph g = lower<large>();
    mode train{};
    train.training = true;
    random_stream r(seed{43}, "large");
    const graph_data d = draw_data(g, 5, r);
    const graph_oracle<double> oracle(g, train, d);
    parity p(g, oracle, 10 * tolerance<Backend>);
    p.or_noise(graph_oracle<float>(g, train, d).result(), 100);
    for (const int threads : {1, 8}) {
        INFO(threads << " threads");
        CHECK(p.violation(run_graph<Backend>(g, train, d, {.capacity = 8, .threads = threads, .garbage = std::numeric_limits<float>::quiet_NaN()})) == "");
    }
}

TEST_CASE_TEMPLATE("random networks as people build them agree with the reference", Backend, fast, exact_only) {
    constexpr seed s{41};
    INFO("seed " << s.value);
    tally t;
    for (std::uint64_t i = 0; i < tried(150); ++i) {
        INFO("network " << i);
        random_stream r(s, "network", i);
        const graph g = random_network(r).value();
        REQUIRE(g.ok());
        check_modes<Backend>(g, r, t);
    }
    CHECK(t.checked > static_cast<int>(2 * tried(150))); // the property would be empty if nearly all were passed over
}

TEST_CASE_TEMPLATE("random networks that nobody would write agree with the reference", Backend, fast, exact_only) {
    constexpr seed s{42};
    INFO("seed " << s.value);
    tally t;
    for (std::uint64_t i = 0; i < tried(300); ++i) {
        INFO("network " << i);
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        REQUIRE(g.ok());
        check_modes<Backend>(g, r, t);
    }
    CHECK(t.checked > static_cast<int>(2 * tried(300)));
    CHECK(t.refused > 0);
}
