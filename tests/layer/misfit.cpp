// SPDX-License-Identifier: MIT
// The sentences of misfits at run time: an image of dynamic size meets them when the model is built. Those of the compiler are tested
// in tests/compile_errors.
#include <string>

#include <doctest/doctest.h>

#include "lowered.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {
template <class Layer>
std::string sentence_of(shape image) {
    return to_string(lowered<Layer>(image).error);
}
} // namespace

TEST_CASE("a misfit says where, what was expected and what came, in one line") {
    CHECK(sentence_of<relu>({1, 8, 8}) == "the network fits");
    CHECK(sentence_of<seq<tap<"t">, max_pool<2>, concat<"t">>>({1, 9, 8}) == "layer, 2 concat: expected 1 x 9 x 8, got 1 x 4 x 4");
    CHECK(sentence_of<seq<conv<4, 1>, max_pool<16>>>({1, 8, 8}) ==
          "layer, 1 max_pool: expected a window no larger than the padded image, 8 x 8, got 16 x 16");
    CHECK(sentence_of<conv<4, 3, groups<2>>>({3, 8, 8}) == "layer, conv input: expected a multiple of 2 channels, got 3");
    CHECK(sentence_of<conv<3, 3, groups<2>>>({4, 8, 8}) == "layer, conv output: expected a multiple of 2 channels, got 3");
    CHECK(sentence_of<seq<add<"nowhere">>>({4, 8, 8}) == "layer, 0 add: no stage or tap is called 'nowhere'");
    CHECK(sentence_of<seq<tap<"t">, tap<"t">>>({4, 8, 8}) == "layer, 1 tap: the name 't' is taken");
    CHECK(sentence_of<seq<named<"", relu>>>({4, 8, 8}) == "layer, 0: a name needs characters and no dot");
    CHECK(sentence_of<leaky_relu_with<0.0>>({4, 8, 8}) == "layer, leaky_relu: expected a slope above 0, got 0");
    CHECK(sentence_of<dropout<1.25>>({4, 8, 8}) == "layer, dropout: probability 1.25 is not in [0, 1)");
    CHECK(sentence_of<conv<4, 3, padding<-1>>>({4, 8, 8}) == "layer, conv: expected padding of 0 or more, got -1");
    CHECK(sentence_of<max_pool<2, padding<2>>>({4, 8, 8}) == "layer, max_pool: padding above half the window");
    CHECK(sentence_of<max_pool<2, no_bias>>({4, 8, 8}) == "layer, max_pool: it has no option no_bias");
    CHECK(sentence_of<max_pool<2, exclude_pad>>({4, 8, 8}) == "layer, max_pool: it has no option exclude_pad");
}

TEST_CASE("the first misfit is kept, and lowering goes on behind it") {
    const graph g = lowered<seq<conv<4, 3, groups<3>>, conv<4, 2>, linear<0>>>({4, 8, 8});
    CHECK(to_string(g.error) == "layer, 0 conv input: expected a multiple of 3 channels, got 4");
    CHECK(g.size() == 4);
}
