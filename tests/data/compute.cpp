// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <umsrep/data/geometry.hpp>
#include <umsrep/data/in_memory.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/loader.hpp>
#include <umsrep/data/noise.hpp>

using namespace umsrep;
using namespace umsrep::data;

namespace {

/// Noise in two channels, an image-shaped label, a class map of four classes, and a class.
struct noisy_images {
    std::size_t size() const { return 9; }
    sample get(std::size_t index, random_stream&) const {
        random_stream r(seed{7}, "noisy images", index);
        sample s;
        s.id = std::to_string(index);
        s.image = uninitialized({2, 13, 10});
        tensor clean = uninitialized({1, 13, 10}), classes = clean;
        for (std::size_t i = 0; i < s.image.size(); ++i) s.image.data()[i] = r.uniform();
        for (std::size_t i = 0; i < clean.size(); ++i) {
            clean.data()[i] = r.uniform();
            classes.data()[i] = static_cast<float>(r.below(4));
        }
        s.set("clean", clean, label_kind::image);
        s.set("classes", classes, label_kind::mask);
        s.set("class", static_cast<float>(index % 3));
        return s;
    }
};

/// The image so far becomes a target.
struct clean_target {
    static constexpr bool records = true;
    void operator()(sample& s, random_stream&) const { s.set_to_image("denoise"); }
};
/// A user's transform, which knows nothing of recording.
struct darken {
    void operator()(sample& s, random_stream& random) const {
        for (std::size_t i = 0; i < s.image.size(); ++i) s.image.data()[i] *= 0.5f + 0.5f * random.uniform();
    }
};

/// A user's transform that uses the library's: what they make is there when they return.
struct turned_target {
    void operator()(sample& s, random_stream& random) const {
        random_affine{.rotation = 20}(s, random);
        gaussian_noise{.head = ""}(s, random);
        s.set("denoise", s.image, label_kind::image);
    }
};

/// One that says that it records, though part of it cannot.
struct turned_and_worn {
    static constexpr bool records = true;
    void operator()(sample& s, random_stream& random) const {
        random_affine{.rotation = 20}(s, random);
        poisson_gaussian_noise{.photons = 20.0f}(s, random);
    }
};

bool same(const sample& a, const sample& b) {
    return a.image == b.image && std::ranges::equal(a.labels, b.labels, [](const label& one, const label& other) {
               return one.head == other.head && one.kind == other.kind && one.value == other.value;
           });
}

/// Whether samples that are recorded and then computed are those of `get`, and leave the stream where it does. Returns how many of
/// them had changes.
template <dataset D>
int check_recorded(const D& set) {
    int recorded = 0;
    for (std::uint64_t run = 0; run < 5; ++run)
        for (std::size_t i = 0; i < set.size(); ++i) {
            INFO("seed " << run << ", sample " << i);
            random_stream a(seed{run}), b(seed{run});
            const sample expected = set.get(i, a);
            sample got = get_recorded(set, i, b);
            CHECK_FALSE(expected.has_changes());
            recorded += got.has_changes() ? 1 : 0;
            compute(got);
            CHECK_FALSE(got.has_changes());
            CHECK(same(got, expected));
            CHECK(b.position() == a.position());
        }
    return recorded;
}

const random_affine turn{.rotation = 20, .shift = 0.1f, .scale = 0.2f};
const random_flip both_ways{0.5f, 0.5f};
const gaussian_noise noise{.sigma = {0.05f, 0.2f}, .head = "", .clamped = true};

} // namespace

TEST_CASE("changes of pixels that are recorded and computed later give the same bits") {
    const noisy_images set;
    SUBCASE("one by one") {
        CHECK(check_recorded(transformed(set, turn)) == 45);
        CHECK(check_recorded(transformed(set, random_intensity{.alongside = {"clean"}})) == 45);
        CHECK(check_recorded(transformed(set, noise)) == 45);
        CHECK(check_recorded(transformed(set, both_ways)) == 0); // costs no more than a copy
    }
    SUBCASE("in a row, mirrored before, between or behind") {
        check_recorded(transformed(set, both_ways, turn, random_intensity{.alongside = {"clean"}}, clean_target{}, noise));
        check_recorded(transformed(set, turn, both_ways, random_intensity{}, clean_target{}, noise));
        check_recorded(
            transformed(set, turn, both_ways, both_ways, random_intensity{}, both_ways, clean_target{}, both_ways, noise));
        check_recorded(transformed(set, turn, random_intensity{}, noise, both_ways));
        check_recorded(transformed(set, turn, gaussian_noise{.probability = 0.5f}, both_ways));
    }
    SUBCASE("where sets are wrapped") {
        CHECK(check_recorded(
                  concatenation({subset(transformed(transformed(set, turn), noise), {1, 3}), transformed(set, turn)})) == 55);
        check_recorded(transformed(in_memory(transformed(set, turn)), noise));
    }
}

TEST_CASE("what cannot come behind what is recorded finds it computed") {
    const noisy_images set;
    CHECK(check_recorded(transformed(set, turn, turn)) == 45); // the second is still recorded
    CHECK(check_recorded(transformed(set, noise, turn)) == 45);
    CHECK(check_recorded(transformed(set, random_intensity{}, random_intensity{}, turn)) == 45);
    CHECK(check_recorded(transformed(set, noise, random_intensity{}, noise, noise)) == 45);
    CHECK(check_recorded(transformed(set, turn, resize{8, 8})) == 0);
    CHECK(check_recorded(transformed(set, turn, noise, darken{})) == 0);
    CHECK(check_recorded(transformed(set, turn, poisson_gaussian_noise{})) == 0);
    CHECK(check_recorded(transformed(set, turn, darken{}, noise)) == 45);
    CHECK(check_recorded(transformed(set, turned_target{})) == 0);
    CHECK(check_recorded(transformed(set, turn, turned_target{}, noise)) == 45);
    CHECK(check_recorded(transformed(set, turned_and_worn{})) == 45); // labels still move
}

TEST_CASE("a sample that records no longer finds computed what it recorded before") {
    const auto recorded = transformed(noisy_images{}, turn);
    const auto changed = [&](auto&& transform) {
        random_stream a(seed{1}), b(seed{1});
        sample expected = recorded.get(0, a), got = recorded.get_recorded(0, b);
        transform(expected, a);
        got.records = false;
        transform(got, b);
        compute(got);
        return same(got, expected);
    };
    CHECK(changed(noise));
    CHECK(changed(poisson_gaussian_noise{}));
    CHECK(changed(turn));
    CHECK(changed(random_flip{1, 1}));
    CHECK(changed(random_intensity{}));
}

TEST_CASE("a label that is set anew has no changes") {
    sample s;
    s.records = true;
    s.image = uninitialized({1, 4, 4});
    s.set("lungs", uninitialized({1, 4, 4}), label_kind::mask);
    random_stream random{seed{1}};
    turn(s, random);
    CHECK(s.find("lungs")->changes.any());
    s.set("lungs", uninitialized({1, 4, 4}), label_kind::mask);
    CHECK_FALSE(s.find("lungs")->changes.any());
}

TEST_CASE("a loader leaves changes only where it may and is asked to; batches are otherwise the same") {
    const std::vector<head_spec> heads{{"clean", {1, 13, 10}}, {"classes", {1, 13, 10}}, {"class", {1, 1, 1}}};
    const auto loader_of = [&](bool later, int threads) {
        return loader{transformed(noisy_images{}, random_affine{.probability = 0.5f}, noise),
                      3,
                      {2, 13, 10},
                      heads,
                      {.random = seed{3}, .threads = threads, .later = later}};
    };
    for (const int threads : {0, 2}) {
        loader plain = loader_of(false, threads), later = loader_of(true, threads);
        const auto epoch = [](loader& l, delivery wanted) {
            std::vector<data::batch> batches;
            l.start(1, 0, wanted);
            while (auto b = l.next()) batches.push_back(std::move(*b));
            return batches;
        };
        const auto expected = epoch(plain, delivery::computed), refused = epoch(plain, delivery::recorded);
        const auto unasked = epoch(later, delivery::computed), recorded = epoch(later, delivery::recorded);
        REQUIRE(recorded.size() == 3);
        for (std::size_t k = 0; k < 3; ++k) {
            for (const auto* computed : {&refused, &unasked}) {
                CHECK((*computed)[k].images == expected[k].images);
                CHECK_FALSE((*computed)[k].has_changes());
            }
            CHECK(recorded[k].ids == expected[k].ids);
            CHECK(recorded[k].has_changes());
            REQUIRE(recorded[k].changes.size() == 3); // every image has noise
            for (std::size_t i = 0; i < 3; ++i) {
                CHECK(recorded[k].changes[i].noise.has_value());
                if (recorded[k].heads[1].changes.empty()) continue;
                CHECK(recorded[k].heads[1].changes[i].map.has_value() == recorded[k].changes[i].map.has_value());
                CHECK((recorded[k].heads[1].changes[i].how == resampling::vote) == recorded[k].changes[i].map.has_value());
            }
            CHECK(recorded[k].heads[2].changes.empty());
        }
    }
}
