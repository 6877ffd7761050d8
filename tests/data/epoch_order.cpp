// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>
#include <vector>

#include <umsrep/data/epoch_order.hpp>

using namespace umsrep;
using namespace umsrep::data;

TEST_CASE("the first source is gone through exactly once per epoch, in another order each time") {
    const std::array sources{quota{23, 5}, quota{4, 3}};
    const order_options options{.random = seed{3}};
    std::set<std::vector<std::size_t>> orders;
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
        std::vector<std::size_t> order;
        for (const auto& batch : epoch_order(sources, epoch, options)) {
            for (const draw& d : batch) {
                if (d.source == 0) order.push_back(d.index);
            }
        }
        CHECK(order.size() == 23);
        CHECK(std::set(order.begin(), order.end()).size() == 23);
        orders.insert(order);
    }
    CHECK(orders.size() == 4);
}

TEST_CASE("every batch holds each source's part, the last one what is left of the first") {
    const std::array sources{quota{23, 5}, quota{4, 3}};
    const auto batches = epoch_order(sources, 1, {.random = seed{3}});
    REQUIRE(batches.size() == 5);
    for (std::size_t k = 0; k < batches.size(); ++k) {
        const auto first = std::ranges::count(batches[k], std::size_t{0}, &draw::source);
        CHECK(first == (k + 1 < batches.size() ? 5 : 3));
        CHECK(std::ranges::count(batches[k], std::size_t{1}, &draw::source) == 3);
    }
    CHECK(epoch_order(sources, 1, {.random = seed{3}, .drop_last = true}).size() == 4);
}

TEST_CASE("a source that cycles gives each sample equally often, also across epochs") {
    const std::array sources{quota{20, 5}, quota{7, 3}}; // 12 draws per epoch; 7 epochs are 12 rounds
    std::map<std::size_t, int> seen;
    std::uint64_t expected_number = 0;
    for (std::uint64_t epoch = 0; epoch < 7; ++epoch) {
        for (const auto& batch : epoch_order(sources, epoch, {.random = seed{9}})) {
            for (const draw& d : batch) {
                if (d.source == 0) continue;
                ++seen[d.index];
                CHECK(d.number == expected_number++);
            }
        }
    }
    CHECK(seen.size() == 7);
    for (const auto& [index, count] : seen) CHECK(count == 12);
}

TEST_CASE("no two draws of a source share a number, so none is augmented alike") {
    const std::array sources{quota{6, 4}, quota{3, 2}};
    for (const bool drop_last : {false, true}) {
        std::set<std::pair<std::size_t, std::uint64_t>> numbers;
        std::size_t draws = 0;
        for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
            for (const auto& batch : epoch_order(sources, epoch, {.random = seed{1}, .drop_last = drop_last})) {
                for (const draw& d : batch) numbers.emplace(d.source, d.number);
                draws += batch.size();
            }
        }
        CHECK(numbers.size() == draws);
    }
}

TEST_CASE("without shuffling, samples come in their order; the seed decides the order with it") {
    const std::array sources{quota{5, 2}};
    std::vector<std::size_t> order;
    for (const auto& batch : epoch_order(sources, 0, {.shuffle = false})) {
        for (const draw& d : batch) order.push_back(d.index);
    }
    CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4});

    const std::array many{quota{100, 10}};
    CHECK(epoch_order(many, 2, {.random = seed{1}}) == epoch_order(many, 2, {.random = seed{1}}));
    CHECK(epoch_order(many, 2, {.random = seed{1}}) != epoch_order(many, 2, {.random = seed{2}}));
}
