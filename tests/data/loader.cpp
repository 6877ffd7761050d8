// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <umsrep/data/geometry.hpp>
#include <umsrep/data/in_memory.hpp>
#include <umsrep/data/loader.hpp>
#include <umsrep/data/noise.hpp>

#include "../support/message_of.hpp"

using namespace umsrep;
using namespace umsrep::data;
using test::message_of;
using test::one_line_naming;

namespace {
/// Sample i is an image of the value i; the odd ones have a class.
struct numbered_images {
    std::size_t count;
    std::string name = "n";

    std::size_t size() const { return count; }
    sample get(std::size_t index, random_stream& random) const {
        // Uneven work, so that several threads finish in another order than they began.
        if (index % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
        sample s{.id = name + std::to_string(index), .group = name, .image = uninitialized({1, 4, 5}), .labels = {}};
        std::fill_n(s.image.data(), s.image.size(), static_cast<float>(index) / 100);
        if (index % 2 == 1) s.set("finding", static_cast<float>(index % 3));
        s.image(0, 0, 0) = random.uniform();
        return s;
    }
};

const shape image_shape{1, 4, 5};
const std::vector<head_spec> heads{{"denoise", {1, 4, 5}}, {"finding", {1, 1, 1}}};

/// Everything of a batch as one list of numbers, to compare bits.
std::vector<float> numbers_of(const data::batch& b) {
    std::vector<float> all(b.images.data(), b.images.data() + b.images.size());
    for (const data::batch::labels& l : b.heads) {
        all.insert(all.end(), l.values.data(), l.values.data() + l.values.size());
        all.insert(all.end(), l.present.begin(), l.present.end());
    }
    return all;
}

struct record {
    std::vector<std::string> ids;
    std::vector<float> numbers;
    bool operator==(const record&) const = default;
};

std::vector<record> rest_of(loader& from) {
    std::vector<record> result;
    while (const auto b = from.next()) result.push_back({b->ids, numbers_of(*b)});
    return result;
}

loader two_sources(int threads) {
    const auto noisy = transformed(numbered_images{37, "a"}, random_flip{}, random_affine{}, gaussian_noise{.probability = 0.7f});
    return loader{
        {{noisy, 4}, {numbered_images{5, "b"}, 2}}, image_shape, heads, {.random = seed{42}, .threads = threads, .prefetch = 3}};
}
} // namespace

TEST_CASE("batches are the same, bit for bit, for 0, 1, 2 and 5 worker threads") {
    std::vector<std::vector<record>> epochs;
    for (const int threads : {0, 1, 2, 5}) {
        loader l = two_sources(threads);
        std::vector<record> all;
        for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
            l.start(epoch);
            std::ranges::move(rest_of(l), std::back_inserter(all));
        }
        epochs.push_back(std::move(all));
    }
    REQUIRE(epochs.front().size() == 3 * 10);
    for (const auto& other : epochs) CHECK(other == epochs.front());
}

TEST_CASE("starting at batch k of epoch e gives what a run from the beginning gives there") {
    loader whole = two_sources(2);
    whole.start(2);
    const std::vector<record> expected = rest_of(whole);
    for (const std::size_t k : {0u, 1u, 7u, 10u}) {
        loader resumed = two_sources(1);
        resumed.start(2, k);
        CHECK(rest_of(resumed) == std::vector(expected.begin() + static_cast<std::ptrdiff_t>(k), expected.end()));
    }
    CHECK_THROWS_AS(whole.start(2, 11), option_error);
}

TEST_CASE("starting again in the middle of an epoch forgets what was prepared") {
    loader l = two_sources(3);
    loader fresh = two_sources(0);
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
        l.start(epoch + 100);
        l.next();
        l.start(epoch);
        fresh.start(epoch);
        const auto one = l.next(), other = fresh.next();
        REQUIRE(one.has_value());
        CHECK(numbers_of(*one) == numbers_of(*other));
    }
}

TEST_CASE("labels that a sample does not have are marked absent and zero") {
    loader l{numbered_images{6}, 3, image_shape, heads, {.shuffle = false}};
    l.start(0);
    const auto b = l.next();
    REQUIRE(b.has_value());
    CHECK(b->ids == std::vector<std::string>{"n0", "n1", "n2"});
    CHECK(b->groups == std::vector<std::string>{"n", "n", "n"});
    CHECK(b->images.shape() == std::array<std::size_t, 4>{3, 1, 4, 5});
    CHECK(b->heads[1].values.shape() == std::array<std::size_t, 4>{3, 1, 1, 1});
    CHECK(b->heads[0].present == std::vector<std::uint8_t>{0, 0, 0});
    CHECK(b->heads[1].present == std::vector<std::uint8_t>{0, 1, 0});
    CHECK(b->heads[1].values(1, 0, 0, 0) == 1.0f);
    CHECK(std::all_of(b->heads[0].values.data(), b->heads[0].values.data() + 60, [](float v) { return v == 0; }));
}

TEST_CASE("in order and complete for evaluation: every sample once, the last batch partial, the same noise each time") {
    const auto noisy = transformed(numbered_images{10}, gaussian_noise{});
    loader l{noisy, 4, image_shape, heads, {.random = seed{5}, .shuffle = false, .threads = 2}};
    CHECK(l.batches_per_epoch() == 3);
    l.start(0);
    const auto first = rest_of(l);
    l.start(0);
    CHECK(rest_of(l) == first);
    REQUIRE(first.size() == 3);
    CHECK(first[2].ids == std::vector<std::string>{"n8", "n9"});
    CHECK_FALSE(l.next().has_value());

    loader full{noisy, 4, image_shape, heads, {.shuffle = false, .drop_last = true}};
    CHECK(full.batches_per_epoch() == 2);
}

TEST_CASE("an error of a dataset comes out of the batch that it concerns, and the loader goes on living") {
    struct broken : numbered_images {
        sample get(std::size_t index, random_stream& random) const {
            if (index == 5) throw file_error("n5.png: damaged PNG: the file ends too early");
            return numbered_images::get(index, random);
        }
    };
    for (const int threads : {0, 1, 3}) {
        loader l{broken{{9}}, 2, image_shape, heads, {.shuffle = false, .threads = threads}};
        for (int attempt = 0; attempt < 2; ++attempt) {
            l.start(0);
            CHECK(l.next().has_value());
            CHECK(l.next().has_value());
            CHECK(message_of<file_error>([&] { l.next(); }) == "n5.png: damaged PNG: the file ends too early");
            CHECK(l.next()->ids.front() == "n6");
        }
    }
}

TEST_CASE("an image or label of another shape names the sample and the head") {
    const shape other{1, 4, 6};
    loader images{numbered_images{3}, 1, other, heads, {.threads = 0}};
    images.start(0);
    std::string message = message_of<shape_mismatch>([&] { images.next(); });
    INFO(message);
    CHECK(one_line_naming(message, "sample 'n"));
    CHECK(message.find("(1, 4, 6), got (1, 4, 5)") != std::string::npos);

    loader labels{transformed(numbered_images{3}, gaussian_noise{}), 1, image_shape, {{"denoise", other}}, {.threads = 0}};
    labels.start(0);
    message = message_of<shape_mismatch>([&] { labels.next(); });
    INFO(message);
    CHECK(one_line_naming(message, "head 'denoise'"));
}

TEST_CASE("at most `prefetch` batches are made ahead") {
    struct counting : numbered_images {
        std::shared_ptr<std::atomic<int>> made = std::make_shared<std::atomic<int>>(0);
        sample get(std::size_t index, random_stream& random) const {
            ++*made;
            return numbered_images::get(index, random);
        }
    };
    const counting set{{100}};
    loader l{set, 1, image_shape, heads, {.threads = 4, .prefetch = 3}};
    l.start(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK(*set.made <= 3);
    for (int i = 0; i < 10; ++i) l.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK(*set.made <= 13);
}

TEST_CASE("a loader can be moved, replaced and destroyed at any moment") {
    for (int i = 0; i < 20; ++i) {
        loader a = two_sources(3);
        a.start(0);
        if (i % 2 == 0) a.next();
        loader b = std::move(a);
        CHECK(b.next().has_value());
        b = two_sources(2);
        CHECK_FALSE(b.next().has_value()); // not started
    }
}

TEST_CASE("options that make no sense are named") {
    const auto make = [](std::size_t size, std::size_t batch_size, loader_options options) {
        return message_of<option_error>([&] { loader{numbered_images{size}, batch_size, image_shape, heads, options}; });
    };
    CHECK(one_line_naming(make(0, 1, {}), "source 0"));
    CHECK(one_line_naming(make(3, 0, {}), "source 0"));
    CHECK(one_line_naming(make(3, 4, {.drop_last = true}), "source 0"));
    CHECK(one_line_naming(make(3, 1, {.threads = -1}), "threads"));
    CHECK(one_line_naming(make(3, 1, {.prefetch = 0}), "prefetch"));
    CHECK_THROWS_AS(loader({}, image_shape, heads), option_error);
}

TEST_CASE("samples kept in memory are made once, also by several threads, up to the bound") {
    struct counting : numbered_images {
        std::shared_ptr<std::atomic<int>> made = std::make_shared<std::atomic<int>>(0);
        sample get(std::size_t index, random_stream& random) const {
            ++*made;
            return numbered_images::get(index, random);
        }
    };
    const counting base{{12}};
    const std::size_t per_sample = 20 * sizeof(float), per_class = sizeof(float);
    const any_dataset kept = in_memory(base);
    loader l{kept, 4, image_shape, heads, {.threads = 3}};
    std::set<std::vector<float>> first_images;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        l.start(epoch);
        CHECK(rest_of(l).size() == 3);
    }
    CHECK(*base.made == 12);

    const counting large{{12}};
    const in_memory bounded{large, 5 * (per_sample + per_class)};
    random_stream random{seed{1}};
    std::vector<float> first, second;
    for (std::vector<float>* all : {&first, &second}) {
        for (std::size_t i = 0; i < 12; ++i) all->push_back(bounded.get(i, random).image(0, 0, 0));
    }
    CHECK(bounded.bytes() <= 5 * (per_sample + per_class));
    CHECK(bounded.bytes() > 3 * per_sample);
    CHECK(*large.made > 12);
    CHECK(*large.made < 24);
    CHECK(first == second); // what is random inside is frozen, whether a sample was kept or not
}
