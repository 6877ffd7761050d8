// SPDX-License-Identifier: MIT
#include <string>

#include <doctest/doctest.h>

#include <umsrep/graph/builder.hpp>

using namespace umsrep;

namespace {
node relu_on(int x, shape s) {
    node n{};
    n.kind = op::relu;
    n.inputs = {x, -1};
    n.out = s;
    return n;
}
} // namespace

TEST_CASE("names nest, and end where their body ends") {
    graph_builder b({1, 4, 4});
    (void)b.in("a", [&] {
        (void)b.in(3, [&] { return b.append(relu_on(0, {1, 4, 4})); });
        return b.append(relu_on(1, {1, 4, 4}));
    });
    const graph& g = b.value();
    CHECK(g.path(g[1]) == "a.3");
    CHECK(g.path(g[2]) == "a");
}

TEST_CASE("memory of taps ends at a mark") {
    graph_builder b({1, 4, 4});
    b.remember("kept", 0);
    const auto mark = b.memory();
    b.remember("lost", 0);
    CHECK(b.recall("lost", "concat") == 0);
    b.forget_since(mark);
    CHECK(b.recall("kept", "concat") == 0);
    CHECK(b.value().ok());
    CHECK(b.recall("lost", "concat") == -1);
    CHECK(b.value().error.kind == misfit_kind::unknown_name);
}

TEST_CASE("only the first misfit is kept") {
    graph_builder b({1, 4, 4});
    b.fail(misfit_kind::option, "first", "one", {}, {});
    b.fail(misfit_kind::shape, "second", "two", {}, {});
    CHECK(b.value().error.what.view() == "one");
    CHECK(b.value().error.part.view() == "network");
}

TEST_CASE("a path is cut in a message, and nowhere else") {
    graph_builder b({1, 4, 4});
    const std::string name(50, 'x');
    (void)b.in(name, [&] { return b.in(name, [&] { return b.in(name, [&] { return b.append(relu_on(0, {1, 4, 4})); }); }); });
    CHECK(b.value().path(b.value()[1]) == name + "." + name + "." + name);
    CHECK(b.value().path_of(b.value()[1].label).view().size() == path_text{}.characters.size());
}
