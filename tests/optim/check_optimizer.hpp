// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tests/support/fixture.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/optim/optimizer.hpp>
#include <umsrep/optim/parameter_group.hpp>

namespace umsrep::test {

/// Parameters with their optimiser state, which starts at zero.
template <class Optimizer, class T>
struct trained {
    std::vector<T> w;
    std::array<std::vector<T>, Optimizer::moments> state{};

    explicit trained(std::vector<T> start) : w{std::move(start)} {
        for (auto& moment : state) moment.assign(w.size(), T{0});
    }

    std::array<std::span<T>, Optimizer::moments> moments() {
        std::array<std::span<T>, Optimizer::moments> spans;
        std::copy(state.begin(), state.end(), spans.begin());
        return spans;
    }

    void step(const Optimizer& optimizer, std::span<const T> g, std::int64_t count) {
        optimizer.update(std::span<T>{w}, g, moments(), count, optimizer.lr, optimizer.weight_decay);
    }
};

/// The parameters after every one of ten steps, within a few roundings of PyTorch's in the same precision.
template <class T, class Optimizer>
void check_ten_steps(const Optimizer& optimizer, const std::string& name) {
    static_assert(optim::optimizer<Optimizer>);
    CAPTURE(name);
    const auto file = fixture("optim");
    const auto gradients = file.values<T>("gradients");
    const auto expected = file.values<T>(name + (std::is_same_v<T, float> ? ".f32" : ".f64"));
    trained<Optimizer, T> t{file.values<T>("start")};
    const std::size_t size = t.w.size();
    for (std::size_t k = 0; k < 10; ++k) {
        t.step(optimizer, std::span{gradients}.subspan(k * size, size), static_cast<std::int64_t>(k + 1));
        for (std::size_t i = 0; i < size; ++i) {
            CAPTURE(k);
            CAPTURE(i);
            const T e = expected[k * size + i];
            REQUIRE(std::abs(t.w[i] - e) <= 8 * std::numeric_limits<T>::epsilon() * std::max(T{1}, std::abs(e)));
        }
    }
}

template <class Optimizer>
void check_against_pytorch(const Optimizer& optimizer, const std::string& name) {
    check_ten_steps<double>(optimizer, name);
    check_ten_steps<float>(optimizer, name);
}

/// Any part of the arrays may be updated on its own, to the same bits.
template <class Optimizer>
void check_parts(const Optimizer& optimizer) {
    const auto file = fixture("optim");
    const auto gradients = file.values<float>("gradients");
    trained<Optimizer, float> whole{file.values<float>("start")}, parts = whole;
    const std::size_t size = whole.w.size();
    for (std::size_t k = 0; k < 10; ++k) {
        const auto g = std::span{gradients}.subspan(k * size, size);
        const auto count = static_cast<std::int64_t>(k + 1);
        whole.step(optimizer, g, count);
        for (const auto& [begin, length] : {std::pair<std::size_t, std::size_t>{0, 5}, {5, 1}, {6, size - 6}}) {
            auto state = parts.moments();
            for (auto& moment : state) moment = moment.subspan(begin, length);
            optimizer.update(std::span{parts.w}.subspan(begin, length), g.subspan(begin, length), state, count, optimizer.lr,
                             optimizer.weight_decay);
        }
    }
    CHECK(whole.w == parts.w);
    CHECK(whole.state == parts.state);
}

/// Ten steps over more parameters than one thread takes at a time: the same bits for every number of threads.
template <class Optimizer>
void check_threads(const Optimizer& optimizer) {
    constexpr std::size_t size = 200'003;
    std::vector<float> start(size), gradient(size);
    for (std::size_t i = 0; i < size; ++i) {
        start[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
        gradient[i] = static_cast<float>(std::cos(0.91 * static_cast<double>(i)));
    }
    const std::vector<optim::parameter_group> groups{{0, 70'001}, {70'001, 70'009, 0.5, 0.0}, {70'010, 200'003, 0.25, 1.0}};
    const auto after = [&](thread_pool* pool) {
        trained<Optimizer, float> t{start};
        for (std::int64_t k = 1; k <= 10; ++k)
            optim::update_groups(optimizer, std::span<const optim::parameter_group>(groups), std::span{t.w},
                                 std::span<const float>{gradient}, t.moments(), k, 0.5, pool);
        return t;
    };
    const auto alone = after(nullptr);
    CHECK(alone.w[70'009] == start[70'009]);
    CHECK(alone.w[70'008] != start[70'008]);
    for (const int threads : {1, 3}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        const auto together = after(&pool);
        CHECK(together.w == alone.w);
        CHECK(together.state == alone.state);
    }
}

} // namespace umsrep::test
