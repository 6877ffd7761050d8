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
std::vector<int> values(const graph& g, const mode& m) { return fuse(g, m, prune(g, m), dense_storage).value; }
std::vector<int> gradients(const graph& g, const mode& m) { return fuse(g, m, prune(g, m), dense_storage).gradient; }
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

TEST_CASE("a backend that reads through norms writes neither the norm nor the ReLU behind it") {
    const storage_policy through{.defers_norms = true};
    const auto shared = [&](const graph& g, const mode& m) { return fuse(g, m, prune(g, m), through); };
    using flags = std::vector<char>;
    const sharing block = shared(chain<conv<4, 3>, batch_norm, relu, max_pool<2>>(), training());
    CHECK(block.value == hosts{0, 1, 1, 1, 4, 5});
    CHECK(block.deferred == flags{0, 0, 1, 1, 0, 0});
    CHECK(block.gradient == hosts{-1, 3, 3, 3, 4, 5});
    // Another activation is computed into a place of its own; so is what stands behind the ReLU, a second ReLU too.
    CHECK(shared(chain<conv<4, 3>, batch_norm, silu>(), training()).value == hosts{0, 1, 1, 3, 4});
    CHECK(shared(chain<conv<4, 3>, batch_norm, relu, dropout<0.5>>(), training()).value == hosts{0, 1, 1, 1, 4, 5});
    CHECK(shared(chain<conv<4, 3>, batch_norm, relu, relu>(), training()).value == hosts{0, 1, 1, 1, 4, 5});
    CHECK(shared(chain<conv<4, 3>, batch_norm, relu, batch_norm>(), training()).value == hosts{0, 1, 1, 1, 4, 5});
    // By running statistics in place as ever, unless the input is kept: it has two readers, or the norm trains.
    CHECK(shared(chain<conv<4, 3>, batch_norm, relu>(), mode{}).deferred == flags(5, 0));
    CHECK(shared(chain<conv<4, 3>, batch_norm, relu>(), training(norm_statistics::frozen)).value == hosts{0, 1, 1, 1, 4});
    CHECK(shared(chain<conv<4, 3>, residual<batch_norm, conv<4, 3>>>(), mode{}).value == hosts{0, 1, 1, 3, 4, 5});
    // The image may be read through a norm, a head's result may not.
    CHECK(shared(chain<batch_norm, relu>(), training()).value == hosts{0, 0, 0, 3});
    graph result = chain<conv<4, 3>, batch_norm, relu>();
    result.heads[0].logits = result.heads[0].output = 3;
    CHECK(shared(result, training()).deferred == flags{0, 0, 1, 0, 0});
}

TEST_CASE("a backend that reads in parts writes no concatenation, unless one reader cannot") {
    const storage_policy parts{.dense = [](shape s) { return s.c < 4; }, .concat_block = 4};
    const auto shared = [&](const graph& g) { return fuse(g, training(), prune(g, training()), parts); };
    // 1 conv, 2 the branch, 3 concat, 4 its reader, 5 the head
    const sharing good = shared(chain<conv<8, 3>, concat_of<conv<4, 3>, identity>, conv<4, 3>>());
    CHECK(good.value == hosts{0, 1, 2, -1, 4, 5});
    CHECK(good.gradient == hosts{-1, 1, 2, -1, 4, 5});
    CHECK(good.deferred[3] != 0);
    // An activation cannot be written over what has no place.
    CHECK(shared(chain<conv<8, 3>, concat_of<conv<4, 3>, identity>, relu>()).value == hosts{0, 1, 2, -1, 4, 5});

    const auto stored = [&](const graph& g, std::size_t i) { return shared(g).value[i] >= 0; };
    CHECK(stored(chain<conv<8, 3>, concat_of<conv<6, 3>, identity>, conv<4, 3>>(), 3)); // 6 channels are no whole blocks
    CHECK(stored(chain<conv<3, 3>, concat_of<conv<4, 3>, identity>, conv<4, 3>>(), 3)); // 3 are stored plain
    CHECK(stored(chain<conv<8, 3>, concat_of<conv<4, 3>, identity>, batch_norm>(), 3));
    CHECK(stored(chain<conv<8, 3>, concat_of<identity, identity>, conv<4, 3>>(), 2)); // one value twice
    graph result = chain<conv<8, 3>, concat_of<conv<4, 3>, identity>>();
    result.heads[0].logits = result.heads[0].output = 3;
    CHECK(stored(result, 3));
}

TEST_CASE("where the backend can, the parts of a concatenation lie in it from the start, and their gradients in its gradient") {
    using slices = std::vector<slice>;
    const storage_policy policy{.slice_block = 4};
    const auto shared = [&](const graph& g, const storage_policy& p, mode m = training()) { return fuse(g, m, prune(g, m), p); };
    // 1 conv, 2 the branch, 3 concat, 4 its reader, 5 the head. The branch's share of the gradient of 1 comes behind the concatenation's.
    const graph g = chain<conv<8, 3>, concat_of<conv<4, 3>, identity>, conv<4, 3>>();
    const sharing good = shared(g, policy);
    CHECK(good.value == hosts{0, 3, 3, 3, 4, 5});
    CHECK(good.value_slice == slices{{}, {4, 12}, {0, 12}, {}, {}, {}});
    CHECK(good.gradient == hosts{-1, 3, 3, 3, 4, 5});
    CHECK(good.gradient_slice == slices{{}, {4, 12}, {0, 12}, {}, {}, {}});
    // Nothing is written over the whole while its parts are read.
    CHECK(shared(chain<conv<8, 3>, concat_of<conv<4, 3>, identity>, relu>(), policy).value == hosts{0, 3, 3, 3, 4, 5});
    // Who is computed twice would be so in two places; gradients are not.
    mode twice = training();
    twice.checkpoint = true;
    CHECK(shared(g, policy, twice).value == hosts{0, 1, 2, 3, 4, 5});
    CHECK(shared(g, policy, twice).gradient == hosts{-1, 3, 3, 3, 4, 5});

    const auto apart = [&](const graph& other, const storage_policy& p) { return shared(other, p).value == hosts{0, 1, 2, 3, 4, 5}; };
    CHECK(apart(g, {.slice_block = 8}));                                                         // 4 channels are no whole block
    CHECK(apart(g, {.slice_block = 4, .writes_slices = [](const node& n) { return n.kind != op::conv; }})); // nobody can write them
    // The branch, which reads 1, does not read slices; what it writes may be one.
    CHECK(shared(g, {.slice_block = 4, .reads_slices = [](const node& n) { return n.kind != op::conv; }}).value == hosts{0, 1, 3, 3, 4, 5});
    CHECK(apart(g, dense_storage));
    // One value twice is a slice once.
    CHECK(shared(chain<conv<8, 3>, concat_of<identity, identity>, conv<4, 3>>(), policy).value_slice == slices{{}, {0, 16}, {}, {}, {}});
}

TEST_CASE("two parts of one concatenation share no place, so they are steps of their own") {
    // 1 conv, 2 relu, which is part 0 and reads 1, which is part 1, 3 concat, 4 its reader, 5 the head
    const graph g = chain<conv<8, 3>, concat_of<relu, identity>, conv<4, 3>>();
    const mode m{};
    const std::vector<node_use> use = prune(g, m);
    const sharing s = fuse(g, m, use, {.slice_block = 4});
    CHECK(s.value == hosts{0, 3, 3, 3, 4, 5});
    for (const step& one : order_steps(g, m, use, s, recompute(g, m, use, s), dense_storage)) CHECK(one.first == one.last);
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
    const std::vector<step> steps = order_steps(g, m, use, fuse(g, m, use, dense_storage), hosts(g.nodes.size(), -1), dense_storage);
    CHECK(steps == std::vector<step>{{phase::forward, 1, 1, -1}, {phase::forward, 2, 3, -1}, {phase::forward, 4, 4, -1},
                                     {phase::forward, 5, 5, -1}, {phase::head, 5, 5, 0}, {phase::backward, 5, 5, -1},
                                     {phase::backward, 4, 4, -1}, {phase::backward, 2, 3, -1}, {phase::backward, 1, 1, -1}});
}
