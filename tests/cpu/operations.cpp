// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <string>

#include <tests/cpu/backends.hpp>
#include <tests/cpu/layers.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// Numbers for which no rectifier or maximum is so near its kink that rounding may decide it otherwise, and for which no norm amplifies rounding
/// thirtyfold, where a hundred draws find any: a norm of a pixel or two may always do.
graph_data data_away_from_kinks(const graph& g, const mode& m, int batch, bool one_hot, random_stream& r, double distance) {
    for (int attempt = 0;; ++attempt) {
        REQUIRE_MESSAGE(attempt < 200, "no data away from kinks");
        graph_data d = draw_data(g, batch, r);
        if (one_hot) make_one_hot(d);
        const graph_oracle<double> oracle(g, m, d);
        if (oracle.distance_from_kinks() > distance && (attempt >= 100 || oracle.amplification() < 30)) return d;
    }
}

template <class Backend>
void check_layer(const layer_case& layer, before what, shape s, int batch, int capacity, other_reader other, random_stream& r) {
    if (s.h < layer.at_least.h || s.w < layer.at_least.w || s.c % layer.channels_divide_by != 0) return;
    const graph g = put_together(what, s, layer, batch, other);
    INFO(layer.name << " behind " << to_string(what) << "\n" << text_of(g, batch, capacity));
    const bool by_batch = std::any_of(g.nodes.begin(), g.nodes.end(),
                                      [&](const node& n) { return n.kind == op::batch_norm && n.in.plane() * batch == 1; });
    for (const mode& m : {training_mode(), validate::value(1)}) {
        if (m.training && by_batch) continue; // no statistics of a single value
        INFO(std::string(m.training ? "training" : "validation"));
        const graph_data d = data_away_from_kinks(g, m, batch, what != before::image, r, 10 * tolerance<Backend>);
        const graph_oracle<double> oracle(g, m, d);
        // Some of these networks are ill-conditioned: a mean behind a norm has no gradient at all, a norm of five values a steep one.
        parity p(g, oracle, tolerance<Backend>);
        p.or_noise(graph_oracle<float>(g, m, d).result(), 10);
        CHECK(p.violation(run_graph<Backend>(g, m, d, {.capacity = capacity, .garbage = std::numeric_limits<float>::quiet_NaN()})) == "");
    }
}

} // namespace

TEST_CASE("the source of these tests hands its weights through and shows the gradient") {
    for (const shape s : {shape{1, 1, 1}, shape{3, 2, 2}, shape{16, 3, 5}, shape{17, 13, 17}, shape{48, 5, 4}})
        for (const int batch : {1, 3}) {
            graph_writer w(source_image(batch));
            w.stage("e1");
            const int x = put_source(w, s);
            w.head("a", x);
            w.add(x, x);
            const graph g = w.finish();
            INFO(text_of(g, batch));
            random_stream r(seed{1}, "source");
            graph_data d = draw_data(g, batch, r);
            make_one_hot(d);
            const graph_result got = run_graph<fast>(g, training_mode(), d);
            for (std::size_t i = 0; i < d.parameters.size(); ++i) {
                REQUIRE(got.heads[0][i] == 2 * d.parameters[i]);
                REQUIRE(got.gradients[i] == 2 * d.head_gradients[0][i]);
            }
        }
}

TEST_CASE_TEMPLATE("all layers behind everything agree with the reference: outputs, gradients, running statistics", Backend, fast,
                   exact_only) {
    constexpr seed s{21};
    INFO("seed " << s.value);
    random_stream r(s, "layers");
    struct size {
        shape s;
        int batch, capacity;
    };
    // Channels of less than a block, of a block, beside it; images of one pixel, one row, odd.
    constexpr size sizes[] = {{{4, 5, 4}, 2, 2}, {{16, 3, 5}, 1, 3}, {{34, 2, 2}, 3, 3}, {{18, 7, 6}, 2, 5},
                              {{8, 1, 7}, 3, 3}, {{2, 6, 9}, 1, 2},  {{48, 4, 5}, 2, 2}, {{20, 1, 1}, 5, 5}};
    for (const layer_case& layer : every_layer())
        for (const before what : every_before)
            for (const size& one : sizes) check_layer<Backend>(layer, what, one.s, one.batch, one.capacity, other_reader::none, r);
}

TEST_CASE_TEMPLATE("a value with a second reader gets the sum of their gradients", Backend, fast, exact_only) {
    constexpr seed s{22};
    INFO("seed " << s.value);
    random_stream r(s, "layers");
    for (const layer_case& layer : every_layer())
        for (const before what : {before::source, before::norm, before::block, before::joined, before::joined_raw, before::summed})
            for (const shape one : {shape{34, 4, 6}, shape{6, 5, 5}})
                for (const other_reader other : {other_reader::first, other_reader::second})
                    check_layer<Backend>(layer, what, one, 2, 3, other, r);
}
