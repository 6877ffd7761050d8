// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/core/random.hpp>

using namespace umsrep;

namespace {
using block = std::array<std::uint32_t, 4>;
constexpr std::uint32_t ones = 0xffffffff;
} // namespace

// The known answers of Random123 (Salmon et al., 2011), file kat_vectors, lines "philox4x32 10".
static_assert(philox({0, 0, 0, 0}, {0, 0}) == block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({ones, ones, ones, ones}, {ones, ones}) == block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

// The known answers of FNV-1a, 64 bits (Fowler, Noll, Vo).
static_assert(hash_name("") == 0xcbf29ce484222325);
static_assert(hash_name("a") == 0xaf63dc4c8601ec8c);
static_assert(hash_name("foobar") == 0x85944171f73967e8);

TEST_CASE("philox gives the published answers at run time too") {
    CHECK(philox({0, 0, 0, 0}, {0, 0}) == block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

TEST_CASE("a stream keeps the values that saved runs were made with") { // from a second implementation, in Python
    random_stream stream(seed{1}, "augment", 7);
    for (const std::uint32_t expected : {0x1fa2e5b9U, 0x36498258U, 0x18fe98c8U, 0xf6ada8c3U, 0xe56d8447U, 0x82be44b5U})
        CHECK(stream() == expected);
    CHECK(stream.at((std::uint64_t{1} << 40) + 1) == 0x75ce0c7c);

    random_stream normals(seed{1}, "augment", 7);
    CHECK(normals.normal() == doctest::Approx(0.48288555718637244));
    CHECK(normals.normal() == doctest::Approx(2.10088176018689));
}

TEST_CASE("a stream is told apart by seed, name and index, each of them") {
    const auto head = [](random_stream s) { return block{s(), s(), s(), s()}; };
    const std::vector<block> heads{head(random_stream(seed{1}, "a", 0)), head(random_stream(seed{2}, "a", 0)),
                                   head(random_stream(seed{1}, "b", 0)), head(random_stream(seed{1}, "a", 1)),
                                   head(random_stream(seed{1}, "", 0)), head(random_stream(seed{std::uint64_t{1} << 32}, "a", 0))};
    for (std::size_t i = 0; i < heads.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) CHECK(heads[i] != heads[j]);
}

TEST_CASE("the position alone is the state: seek goes on exactly where another stream stopped") {
    random_stream whole(seed{3}, "order");
    std::vector<std::uint32_t> numbers(100);
    for (auto& n : numbers) n = whole();
    CHECK(whole.position() == 100);

    for (const std::uint64_t stop : std::array<std::uint64_t, 8>{0, 1, 2, 3, 4, 5, 37, 99}) {
        random_stream resumed(seed{3}, "order");
        (void)resumed();
        resumed.seek(stop);
        for (std::size_t i = stop; i < numbers.size(); ++i) {
            INFO("stopped at " << stop << ", number " << i);
            REQUIRE(resumed() == numbers[i]);
        }
    }
}

TEST_CASE("reading at a position neither needs nor moves the state") {
    random_stream stream(seed{4}, "x");
    (void)stream();
    std::vector<std::uint32_t> forward, random_access;
    for (std::uint64_t i = 0; i < 20; ++i) random_access.push_back(stream.at(i));
    CHECK(stream.position() == 1);
    stream.seek(0);
    for (int i = 0; i < 20; ++i) forward.push_back(stream());
    CHECK(forward == random_access);
}

TEST_CASE("draws are usable in constant expressions") {
    static_assert([] {
        random_stream s(seed{5}, "constant");
        const float u = s.uniform();
        return u >= 0 && u < 1 && s.below(10) < 10 && s.position() == 2;
    }());
}

TEST_CASE("uniform has the moments of a uniform variate and never reaches 1") {
    random_stream s(seed{6}, "uniform");
    constexpr int n = 200'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
        const double u = s.uniform();
        REQUIRE(u >= 0);
        REQUIRE(u < 1);
        sum += u;
        squares += u * u;
    }
    CHECK(sum / n == doctest::Approx(0.5).epsilon(0.005));
    CHECK(squares / n == doctest::Approx(1.0 / 3).epsilon(0.005));
}

TEST_CASE("uniform between two bounds stays between them") {
    random_stream s(seed{7}, "bounds");
    for (int i = 0; i < 10'000; ++i) {
        const float u = s.uniform(-3.0F, 0.5F);
        REQUIRE(u >= -3.0F);
        REQUIRE(u <= 0.5F);
    }
}

TEST_CASE("normal has mean 0, variance 1, and the tails of a normal variate; its values are finite") {
    random_stream s(seed{8}, "normal");
    constexpr int n = 200'000;
    double sum = 0, squares = 0;
    int beyond_two = 0;
    for (int i = 0; i < n; ++i) {
        const double x = s.normal();
        REQUIRE(std::isfinite(x));
        sum += x;
        squares += x * x;
        beyond_two += std::abs(x) > 2 ? 1 : 0;
    }
    CHECK(std::abs(sum / n) < 0.01);
    CHECK(squares / n == doctest::Approx(1).epsilon(0.01));
    CHECK(static_cast<double>(beyond_two) / n == doctest::Approx(0.0455).epsilon(0.03)); // 2 (1 - Phi(2))
    CHECK(s.position() == 2 * n);
}

TEST_CASE("below(n) takes each of the n values equally often") {
    random_stream s(seed{9}, "below");
    std::array<int, 7> seen{};
    constexpr int n = 70'000;
    for (int i = 0; i < n; ++i) ++seen.at(s.below(7));
    double chi_squared = 0;
    for (const int count : seen) chi_squared += std::pow(count - n / 7, 2) / (n / 7.0);
    CHECK(chi_squared < 22.5); // 6 degrees of freedom, p = 0.001
    CHECK(s.below(1) == 0);
}

TEST_CASE("shuffle is a permutation, and of three things every order is equally likely") {
    random_stream s(seed{10}, "shuffle");
    std::array<int, 27> seen{};
    constexpr int n = 60'000;
    for (int i = 0; i < n; ++i) {
        std::vector<int> v{0, 1, 2};
        shuffle(v, s);
        ++seen[static_cast<std::size_t>(9 * v[0] + 3 * v[1] + v[2])];
        std::sort(v.begin(), v.end());
        REQUIRE(v == std::vector<int>{0, 1, 2});
    }
    CHECK(std::count_if(seen.begin(), seen.end(), [](int c) { return c > 0; }) == 6);
    for (const int count : seen)
        if (count > 0) CHECK(count == doctest::Approx(n / 6).epsilon(0.05));

    std::vector<int> none, one{4};
    shuffle(none, s);
    shuffle(one, s);
    CHECK(one == std::vector<int>{4});
}

TEST_CASE("derived seeds differ by name and do not equal the seed they come from") {
    static_assert(derived_seed(seed{1}, "model").value != derived_seed(seed{1}, "data").value);
    static_assert(derived_seed(seed{1}, "model").value != 1);
    CHECK(derived_seed(seed{2}, "model").value == derived_seed(seed{2}, "model").value);
}

TEST_CASE("a stream serves the standard library as a generator of bits") {
    static_assert(std::uniform_random_bit_generator<random_stream>);
    static_assert(random_stream::min() == 0 && random_stream::max() == ones);
}
