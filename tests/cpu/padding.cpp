// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>

#include <tests/cpu/backends.hpp>
#include <tests/cpu/layers.hpp>
#include <tests/support/budget.hpp>
#include <tests/support/random_network.hpp>

using namespace umsrep;
using namespace umsrep::test;

// A block of 17 channels has 15 lanes that hold none, the memory between samples of a batch below the capacity holds none, and so on: what was
// there before must not matter.
TEST_CASE_TEMPLATE("what the memory held before a run does not change a bit of its results", Backend, fast, exact_only) {
    constexpr seed s{51};
    INFO("seed " << s.value);
    for (const layer_case& layer : every_layer())
        for (const before what : every_before)
            for (const shape one : {shape{18, 5, 6}, shape{4, 6, 5}, shape{34, 4, 4}}) {
                const graph g = put_together(what, one, layer, 2);
                INFO(layer.name << " behind " << to_string(what) << "\n" << text_of(g, 2, 3));
                random_stream r(s, "layers");
                graph_data d = draw_data(g, 2, r);
                if (what != before::image) make_one_hot(d);
                for (const mode& m : {training_mode(), validate::value(1)}) {
                    const graph_result clean = run_graph<Backend>(g, m, d, {.capacity = 3});
                    for (const float garbage : {std::numeric_limits<float>::quiet_NaN(), 1e30f})
                        CHECK(same_bits(clean, run_graph<Backend>(g, m, d, {.capacity = 3, .garbage = garbage})));
                }
            }
}

TEST_CASE_TEMPLATE("the capacity of the batch, and runs before, do not change a bit of the results", Backend, fast, exact_only) {
    constexpr seed s{52};
    INFO("seed " << s.value);
    for (std::uint64_t i = 0; i < tried(40); ++i) {
        INFO("network " << i);
        random_stream r(s, "network", i);
        const graph g = random_network(r).value();
        const graph_data d = draw_data(g, 2, r);
        INFO(text_of(g, 2));
        const graph_result once = run_graph<Backend>(g, training_mode(), d);
        CHECK(same_bits(once, run_graph<Backend>(g, training_mode(), d, {.capacity = 5})));
        CHECK(same_bits(once, run_graph<Backend>(g, training_mode(), d, {.runs = 2, .garbage = std::numeric_limits<float>::quiet_NaN()})));
    }
}

TEST_CASE("seventeen channels are sixteen and one: outputs, statistics and gradients of the parts are those of the whole") {
    // conv, batch_norm, relu, conv on 17 channels against the same with channels 0..15 and 16 in networks of their own, whose results are added.
    constexpr int batch = 2;
    const auto network = [](int channels) {
        graph_writer w({3, 6, 7});
        w.stage("e1");
        int x = w.conv(0, channels, {.kernel = 3, .padding = 1});
        x = w.relu(w.batch_norm(x));
        w.head("a", x);
        w.conv(x, 4, {.kernel = 3, .padding = 1});
        return w.finish();
    };
    const graph whole = network(17), block = network(16), rest = network(1);
    random_stream r(seed{53}, "parts");
    const graph_data d = draw_data(whole, batch, r);
    const auto part = [&](const graph& g, int first, int count) {
        graph_data p = draw_data(g, batch, r);
        p.images = d.images;
        p.head_gradients = d.head_gradients;
        const auto take = [&](std::vector<float>& to, const std::vector<float>& from, slot into, slot of, std::ptrdiff_t per_channel) {
            REQUIRE(into.size == count * per_channel);
            std::copy_n(from.begin() + of.offset + first * per_channel, into.size, to.begin() + into.offset);
        };
        take(p.parameters, d.parameters, g[1].weight, whole[1].weight, 27);
        take(p.parameters, d.parameters, g[2].weight, whole[2].weight, 1);
        take(p.parameters, d.parameters, g[2].bias, whole[2].bias, 1);
        take(p.statistics, d.statistics, g[2].running_mean, whole[2].running_mean, 1);
        take(p.statistics, d.statistics, g[2].running_var, whole[2].running_var, 1);
        for (int out = 0; out < 4; ++out) // of the last convolution's weights, the columns of these channels
            std::copy_n(d.parameters.begin() + whole[4].weight.offset + (out * 17 + first) * 9, count * 9, p.parameters.begin() + g[4].weight.offset + out * count * 9);
        return p;
    };
    const graph_result all = run_graph<exact_only>(whole, training_mode(), d, {.garbage = std::numeric_limits<float>::quiet_NaN()});
    const graph_result low = graph_oracle<double>(block, training_mode(), part(block, 0, 16)).result();
    const graph_result high = graph_oracle<double>(rest, training_mode(), part(rest, 16, 1)).result();
    std::vector<double> sum = low.heads[0];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += high.heads[0][i];
    CHECK(relative_error(all.heads[0], sum) < 1e-5);
    const auto joined = [&](const std::vector<double>& a, slot in_a, const std::vector<double>& b, slot in_b) {
        std::vector<double> result(a.begin() + in_a.offset, a.begin() + in_a.offset + in_a.size);
        result.insert(result.end(), b.begin() + in_b.offset, b.begin() + in_b.offset + in_b.size);
        return result;
    };
    const auto compare = [&](const std::vector<double>& got, const std::vector<double>& a, const std::vector<double>& b, slot node::* which, int i) {
        const slot s = whole[i].*which;
        CHECK(relative_error(std::vector<double>(got.begin() + s.offset, got.begin() + s.offset + s.size), joined(a, block[i].*which, b, rest[i].*which)) < 1e-5);
    };
    compare(all.statistics, low.statistics, high.statistics, &node::running_mean, 2);
    compare(all.statistics, low.statistics, high.statistics, &node::running_var, 2);
    compare(all.gradients, low.gradients, high.gradients, &node::weight, 1);
    compare(all.gradients, low.gradients, high.gradients, &node::weight, 2);
    compare(all.gradients, low.gradients, high.gradients, &node::bias, 2);
}
