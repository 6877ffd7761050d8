// SPDX-License-Identifier: MIT
#include <umsrep/optim/layer_decay.hpp>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>

using namespace umsrep;
using optim::parameter_depth;
using optim::parameter_group;

TEST_CASE("each layer learns slower than the next by the factor, and norms and biases do not decay") {
    const std::vector<parameter_depth> ranges{{0, 10, 0, true}, {10, 12, 0, false}, {12, 20, 1, true}, {20, 30, 2, true}};
    CHECK(optim::layer_decay(ranges, 0.5) ==
          std::vector<parameter_group>{{0, 10, 0.25, 1.0}, {10, 12, 0.25, 0.0}, {12, 20, 0.5, 1.0}, {20, 30, 1.0, 1.0}});
}

TEST_CASE("neighbours of equal scales become one group, whatever their order; gaps stay gaps") {
    const std::vector<parameter_depth> ranges{{20, 30, 1}, {0, 10, 0}, {10, 20, 0}, {40, 50, 1}, {50, 50, 3}};
    // An empty range of depth 3 still says how deep the network is.
    CHECK(optim::layer_decay(ranges, 1.0) == std::vector<parameter_group>{{0, 30}, {40, 50}});
    CHECK(optim::layer_decay(ranges, 0.5) ==
          std::vector<parameter_group>{{0, 20, 0.125, 1.0}, {20, 30, 0.25, 1.0}, {40, 50, 0.25, 1.0}});
}

TEST_CASE("a factor outside (0, 1] and a negative depth are refused") {
    const std::vector<parameter_depth> ranges{{0, 10, -1}};
    CHECK(test::message_of<option_error>([&] { optim::layer_decay(ranges, 0.5); }) ==
          "layer depth: expected a count from 0, got -1");
    CHECK(test::one_line_naming(test::message_of<option_error>([&] { optim::layer_decay({}, 1.5); }), "layer decay factor"));
}
