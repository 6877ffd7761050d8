// SPDX-License-Identifier: MIT
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/graph/order.hpp>
#include <umsrep/graph/lower.hpp>

using namespace umsrep;

namespace {

/// One stage of the given layers and a head of one convolution.
template <class... Layers>
graph chain() {
    graph_builder b({1, 8, 8});
    const int x = b.in("encoder", [&] { return b.in("e1", [&] { return lower_layer(b, 0, seq<Layers...>{}); }); });
    b.value().stages.push_back({"e1", 1, b.size(), x});
    b.owner(1);
    const int y = b.in("a", [&] { return lower_layer(b, x, conv<1, 1>{}); });
    b.value().heads.push_back({"a", y, b.size(), x, y, y});
    return b.value();
}
mode training(norm_statistics norms = norm_statistics::trained) {
    mode m{};
    m.training = true;
    m.norms = norms;
    return m;
}
std::vector<int> values(const graph& g, const mode& m) { return fuse(g, m, prune(g, m)).value; }
std::vector<int> gradients(const graph& g, const mode& m) { return fuse(g, m, prune(g, m)).gradient; }
using hosts = std::vector<int>;

} // namespace

TEST_CASE("at inference batch-norm and activation stand in the convolution's place") {
    CHECK(values(chain<conv<4, 3>, batch_norm, relu, conv<4, 3>, silu>(), mode{}) == hosts{0, 1, 1, 1, 4, 4, 6});
}

TEST_CASE("a batch-norm by batch statistics keeps its input; the activation stands in its place") {
    CHECK(values(chain<conv<4, 3>, batch_norm, relu>(), training()) == hosts{0, 1, 2, 2, 4});
}

TEST_CASE("activations whose gradient is a function of the input keep it") {
    CHECK(values(chain<conv<4, 3>, gelu>(), training()) == hosts{0, 1, 2, 3});
    CHECK(values(chain<conv<4, 3>, silu>(), training()) == hosts{0, 1, 2, 3});
    CHECK(values(chain<conv<4, 3>, sigmoid>(), training()) == hosts{0, 1, 1, 3});
}

TEST_CASE("an output that its own gradient needs is not written over") {
    CHECK(values(chain<conv<4, 3>, relu, dropout<0.5>>(), training()) == hosts{0, 1, 1, 3, 4});
    CHECK(values(chain<conv<4, 3>, relu, dropout<0.5>>(), mode{}) == hosts{0, 1, 1, 1, 4});
}

TEST_CASE("a value that two layers read is not written over; a sum stands in its first input's place") {
    // 1 conv, 2 conv, 3 add(2, 1), 4 relu, 5 the head
    CHECK(values(chain<conv<4, 3>, residual<conv<4, 3>>, relu>(), training()) == hosts{0, 1, 2, 2, 2, 5});
}

TEST_CASE("the image is never written over") {
    CHECK(values(chain<relu, conv<4, 3>>(), mode{}) == hosts{0, 1, 2, 3});
}

TEST_CASE("gradients of a block pass through one place") {
    // 1 conv, 2 norm, 3 relu, 4 the head; the image has none
    CHECK(gradients(chain<conv<4, 3>, batch_norm, relu>(), training()) == hosts{-1, 3, 3, 3, 4});
    // A sum hands its gradient to its first input in place.
    CHECK(gradients(chain<conv<4, 3>, residual<conv<4, 3>>, relu>(), training()) == hosts{-1, 1, 4, 4, 4, 5});
}

TEST_CASE("a frozen stage has no gradients") {
    mode m = training();
    m.first_trained_stage = 1;
    CHECK(gradients(chain<conv<4, 3>, batch_norm, relu>(), m) == hosts{-1, -1, -1, -1, 4});
}

TEST_CASE("layers that share a place are one step, and backward mirrors forward") {
    const graph g = chain<conv<4, 3>, batch_norm, relu, max_pool<2>>();
    const mode m = training();
    const auto use = prune(g, m);
    const std::vector<step> steps = order_steps(g, m, use, fuse(g, m, use));
    CHECK(steps == std::vector<step>{{phase::forward, 1, 1, -1}, {phase::forward, 2, 3, -1}, {phase::forward, 4, 4, -1},
                                     {phase::forward, 5, 5, -1}, {phase::head, 5, 5, 0}, {phase::backward, 5, 5, -1},
                                     {phase::backward, 4, 4, -1}, {phase::backward, 2, 3, -1}, {phase::backward, 1, 1, -1}});
}
