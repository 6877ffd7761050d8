// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <umsrep/backend/executor.hpp>
#include <umsrep/backend/reference/reference.hpp>

#include <tests/support/graph_writer.hpp>

using namespace umsrep;

namespace {

struct flushing_reference : reference<float> {
    static constexpr bool flushes_denormals = true;
};

/// The results of a network that halves the image, of an image whose half is denormal.
template <class Backend>
std::vector<float> halved(int threads) {
    test::graph_writer w({1, 40, 30});
    w.stage("e");
    const int x = w.conv(0, 1, {.kernel = 1});
    w.head("h", x);
    w.conv(x, 1, {.kernel = 1});
    const graph g = w.finish();
    std::vector<float> parameters(static_cast<std::size_t>(g.parameters), 0.0f);
    parameters[static_cast<std::size_t>(g[1].weight.offset)] = 0.5f;
    parameters[static_cast<std::size_t>(g[2].weight.offset)] = 1.0f;
    const std::vector<float> images(4 * 40 * 30, 1.5e-38f);
    thread_pool pool{threads};
    executor<Backend> e(g, validate::value(1), 4, pool);
    e.set_input(4, images.data());
    std::vector<float> result;
    e.run(4, {parameters.data()}, seed{1}, 0, [&](int, tensor_view<float> r, tensor_view<float>) { result.assign(r.begin(), r.end()); });
    return result;
}

} // namespace

TEST_CASE("denormal numbers count as 0 in a backend that says so, on every thread, and as themselves in others") {
    const floating_point_mode before = floating_point_mode::current();
    if (before.flushing() == before) {
        MESSAGE("skipped: this machine has one floating-point mode, or the tests run in the other");
        return;
    }
    for (const int threads : {1, 3}) {
        CAPTURE(threads);
        const auto plain = halved<reference<float>>(threads), flushed = halved<flushing_reference>(threads);
        CHECK(std::all_of(plain.begin(), plain.end(), [](float v) { return v > 0.7e-38f && v < 0.8e-38f; }));
        CHECK(std::all_of(flushed.begin(), flushed.end(), [](float v) { return v == 0.0f; }));
        CHECK(floating_point_mode::current() == before);
    }
}
