// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <umsrep/network/strategy.hpp>

using namespace umsrep;

TEST_CASE("what trains of an encoder of five stages") {
    static_assert(joint<all>::value(5).first_trained_stage == 0);
    static_assert(joint<frozen>::value(5).first_trained_stage == 5);
    static_assert(joint<last<2>>::value(5).first_trained_stage == 3);
    static_assert(joint<last<5>>::value(5).first_trained_stage == 0);
    static_assert(separate::value(5).first_trained_stage == 0);
    CHECK(true);
}

TEST_CASE("a strategy is a training mode; infer and validate are not") {
    static_assert(train<alternating<frozen>>::value(3).training);
    static_assert(!infer::value(3).training && !infer::value(3).logits);
    static_assert(!validate::value(3).training && validate::value(3).logits);
    CHECK(true);
}

TEST_CASE("a step may train some heads only") {
    constexpr mode m = alternating<>::value(3, 0b10);
    static_assert(!m.has_head(0) && m.has_head(1) && !m.has_head(2));
    static_assert(joint<>::value(3).has_head(63));
    CHECK(true);
}

TEST_CASE("schemes are called as in the paper") {
    CHECK(to_string(separate::tasks) == "separate");
    CHECK(to_string(independent<>::tasks) == "independent");
    CHECK(to_string(alternating<>::tasks) == "alternating");
    CHECK(to_string(joint<>::tasks) == "joint");
}
