// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>
#include <umsrep/backend/cuda/fastest.hpp>

using namespace umsrep;
using test::message_of;

namespace fastest_test {

constexpr double never = -1; ///< seconds of a candidate that does not run

struct candidate {
    std::string name;
    double seconds = 1;
    std::int64_t workspace = 0;
    bool can_be_made = true;
    bool dear = false; ///< to make
};

/// What was asked for.
struct log {
    std::vector<std::size_t> listed;
    std::vector<std::string> made, timed;
    std::vector<double> least;
};

/// The name of the one that is chosen.
std::string choose(const std::vector<candidate>& all, std::size_t most, std::int64_t workspace, log& l) {
    return cuda::fastest(
        "conv: image 1x8x4x4 bf16", most, workspace,
        [&](std::size_t n, bool few) {
            l.listed.push_back(n);
            std::vector listed(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(n, all.size())));
            if (few) std::erase_if(listed, [](const candidate& c) { return c.dear; });
            return listed;
        },
        [&](candidate c) {
            l.made.push_back(c.name);
            if (!c.can_be_made) throw device_error(c.name + " cannot be made");
            return std::pair(c.name, c.seconds);
        },
        [&](const std::pair<std::string, double>& made, double least) {
            l.timed.push_back(made.first);
            l.least.push_back(least);
            if (made.second == never) throw device_error(made.first + " does not run");
            return made.second;
        })
        .first;
}
std::string choose(const std::vector<candidate>& all, std::size_t most = 8, std::int64_t workspace = 100) {
    log ignored;
    return choose(all, most, workspace, ignored);
}

} // namespace fastest_test

using fastest_test::choose;
using fastest_test::never;
using words = std::vector<std::string>;

TEST_CASE("the fastest of the first few candidates is chosen, and no more than these are looked at") {
    fastest_test::log l;
    CHECK(choose({{"a", 3}, {"b", 1}, {"c", 2}, {"d", 0.1}}, 3, 100, l) == "b");
    CHECK(l.timed == words{"a", "b", "c"});
    CHECK(l.listed == std::vector<std::size_t>{3});
    CHECK(l.least[1] == 3.0); // each is told the best so far
    CHECK(l.least[2] == 1.0);
}

TEST_CASE("with one candidate that is the first, whatever it takes") {
    fastest_test::log l;
    CHECK(choose({{"a", 3}, {"b", 1}}, 1, 100, l) == "a");
    CHECK(l.made == words{"a"});
}

TEST_CASE("of two that are nearly as fast the one that was offered first stays") {
    CHECK(choose({{"a", 1}, {"b", 0.96}}) == "a");
    CHECK(choose({{"a", 1}, {"b", 0.94}}) == "b");
    CHECK(choose({{"a", 1}, {"b", 0.96}, {"c", 0.93}}) == "c");
}

TEST_CASE("one that cannot be made, and one that does not run, are passed over and another is timed instead") {
    fastest_test::log l;
    CHECK(choose({{"a", 1, 0, false}, {"b", never}, {"c", 5}, {"d", 4}, {"e", 1}}, 2, 100, l) == "d");
    // Only two were listed at first, and none of them runs; of all, the first two that do are timed.
    CHECK(l.listed == std::vector<std::size_t>{2, 32});
    CHECK(l.made == words{"a", "b", "a", "b", "c", "d"});
}

TEST_CASE("one that is dear to make is left out while others run, however many may be timed, and tried where none does") {
    CHECK(choose({{"a", 2}, {"b", 1, 0, true, true}}, 40) == "a");
    CHECK(choose({{"a", never}, {"b", 1, 0, true, true}}, 40) == "b");
    CHECK(choose({{"a", never}, {"b", 1, 0, true, true}}, 8) == "b");
}

TEST_CASE("one that needs much scratch memory is passed over where another runs, however fast it is") {
    fastest_test::log l;
    CHECK(choose({{"a", 1, 1000}, {"b", 3, 100}, {"c", 2, 0}}, 8, 100, l) == "c");
    CHECK(l.made == words{"b", "c"});
    CHECK(choose({{"a", 1, 1000}, {"b", 3, 0}}, 1) == "b"); // also where only the first is wanted
}

TEST_CASE("where nothing else runs, the one that needs the least scratch memory comes first") {
    CHECK(choose({{"a", 1, 1000}, {"b", 2, 500}, {"c", 3, 0, false}}, 1) == "b");
    CHECK(choose({{"a", 1, 1000}, {"b", 2, 500}, {"c", never, 0}}, 8) == "a"); // and among several the fastest
}

TEST_CASE("where none runs, the graph is named, and what was wrong with the first candidate") {
    CHECK(message_of<device_error>([] { choose({{"a", 1, 0, false}, {"b", never}}); }) ==
          "conv: image 1x8x4x4 bf16: expected a plan that runs, got a cannot be made");
    CHECK(message_of<device_error>([] { choose({}); }) == "conv: image 1x8x4x4 bf16: expected a plan that runs, got none");
}

TEST_CASE("an error that is not a device's is nobody's to pass over") {
    const auto broken = [] {
        cuda::fastest("graph", 2, 0, [](std::size_t, bool) { return std::vector<fastest_test::candidate>(1); },
                      [](fastest_test::candidate) { return 1; }, [](int, double) -> double { throw option_error("wrong"); });
    };
    CHECK(message_of<option_error>(broken) == "wrong");
}
