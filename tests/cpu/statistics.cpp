// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include <tests/cpu/backends.hpp>
#include <tests/cpu/layers.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

constexpr float far_from_zero = 1e4f;
constexpr double spacing = 0x1p-10; // of floats there

/// The 1x1 convolution that leaves everything as it is.
void make_identity(const node& conv, graph_data& d) {
    for (int o = 0; o < conv.out.c; ++o)
        for (int i = 0; i < conv.in.c; ++i) d.parameters[static_cast<std::size_t>(conv.weight.offset + o * conv.in.c + i)] = o == i ? 1.0f : 0.0f;
}

} // namespace

TEST_CASE_TEMPLATE("batch statistics are right where the mean is ten thousand deviations from zero", Backend, fast, exact_only) {
    for (const shape s : {shape{4, 24, 20}, shape{16, 24, 20}, shape{17, 13, 17}, shape{32, 90, 80}, shape{8, 1, 700}})
        for (const bool behind_conv : {false, true}) // a convolution takes the statistics of its result as it writes it
            for (const int batch : {1, 3}) {
                graph_writer w(s);
                w.stage("e1");
                int x = behind_conv ? w.conv(0, s.c, {}) : w.plain(0, op::dropout, {.value = 0});
                x = w.plain(x, op::batch_norm, {.value = 1e-5, .momentum = 1}); // the running statistics are the batch's
                w.head("a", x);
                w.conv(x, s.c, {}); // reads a value that may be deferred
                w.head("b", x);
                w.plain(x, op::leaky_relu, {.value = 1}); // the identity
                const graph g = w.finish();
                INFO(text_of(g, batch));
                random_stream r(seed{71}, "statistics");
                graph_data d = draw_data(g, batch, r);
                for (float& v : d.images) v += far_from_zero;
                for (const node& n : g.nodes)
                    if (n.kind == op::conv) make_identity(n, d);
                const graph_result got = run_graph<Backend>(g, training_mode(), d), expected = graph_oracle<double>(g, training_mode(), d).result();
                const node& norm = g[2];
                for (int c = 0; c < s.c; ++c) {
                    const auto at = [&](slot which) { return static_cast<std::size_t>(which.offset + c); };
                    REQUIRE(std::abs(got.statistics[at(norm.running_mean)] - expected.statistics[at(norm.running_mean)]) <= 0.51 * spacing);
                    REQUIRE(got.statistics[at(norm.running_var)] == doctest::Approx(expected.statistics[at(norm.running_var)]).epsilon(1e-4));
                }
                // scale x + shift, for readers may have no time for more: the shift is as large as the mean, and so is its rounding.
                for (std::size_t h = 0; h < 2; ++h)
                    for (std::size_t i = 0; i < got.heads[h].size(); ++i) REQUIRE(std::abs(got.heads[h][i] - expected.heads[h][i]) <= 1.6 * spacing);
            }
}

TEST_CASE("a value fifty deviations away does not spoil the variance, wherever it stands") {
    for (const std::size_t where : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{6399}}) {
        graph_writer w({16, 80, 80});
        w.stage("e1");
        const int x = w.plain(w.conv(0, 16, {}), op::batch_norm, {.value = 1e-5, .momentum = 1});
        w.head("a", x);
        w.relu(x);
        const graph g = w.finish();
        random_stream r(seed{72}, "statistics");
        graph_data d = draw_data(g, 1, r);
        for (std::size_t c = 0; c < 16; ++c) d.images[c * 6400 + where] = 50;
        make_identity(g[1], d);
        const graph_result got = run_graph<fast>(g, training_mode(), d), expected = graph_oracle<double>(g, training_mode(), d).result();
        for (std::ptrdiff_t c = 0; c < 16; ++c) {
            const auto i = static_cast<std::size_t>(g[2].running_var.offset + c);
            CHECK(got.statistics[i] == doctest::Approx(expected.statistics[i]).epsilon(1e-3)); // in float sums about it, where it comes first
        }
    }
}

TEST_CASE_TEMPLATE("variances of images that are one value nearly everywhere are right", Backend, fast, exact_only) {
    // As of X-rays: a large background, and the edge that the convolution's padding gives it. Thousands of equal numbers round the same way.
    for (const shape s : {shape{1, 96, 80}, shape{16, 64, 64}, shape{3, 31, 33}})
        for (const bool convolves : {true, false}) {
            graph_writer w(s);
            w.stage("e1");
            const int before = convolves ? w.conv(0, 32, {.kernel = 3, .padding = 1}) : w.conv(0, 32, {});
            const int x = w.plain(before, op::batch_norm, {.value = 1e-5, .momentum = 1});
            w.head("a", x);
            w.relu(x);
            const graph g = w.finish();
            INFO(text_of(g, 2));
            random_stream r(seed{73}, "statistics");
            graph_data d = draw_data(g, 2, r);
            const std::size_t plane = static_cast<std::size_t>(s.plane());
            for (std::size_t i = 0; i < d.images.size(); ++i) d.images[i] = i % plane > plane / 3 && i % plane < plane / 3 + 40 ? 0.1f * d.images[i] : 0.7f;
            const graph_result got = run_graph<Backend>(g, training_mode(), d), expected = graph_oracle<double>(g, training_mode(), d).result();
            double worst = 0;
            for (std::ptrdiff_t c = 0; c < 32; ++c) {
                const auto i = static_cast<std::size_t>(g[2].running_var.offset + c);
                worst = std::max(worst, std::abs(got.statistics[i] / expected.statistics[i] - 1));
            }
            CHECK(worst < 2 * tolerance<Backend>);
        }
}
