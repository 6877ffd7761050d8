// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <umsrep/data/dataset.hpp>

using namespace umsrep;
using namespace umsrep::data;

namespace {
sample sample_named(const std::string& id) {
    sample s{.id = id, .group = "", .image = uninitialized({1, 1, 1}), .labels = {}};
    s.image(0, 0, 0) = 0.5f;
    return s;
}

template <dataset D>
std::string ids(const D& d) {
    random_stream random{seed{1}};
    std::string result;
    for (std::size_t i = 0; i < d.size(); ++i) result += d.get(i, random).id;
    return result;
}
} // namespace

TEST_CASE("a label is found by its head, replaced by setting it again, and null when absent") {
    sample s = sample_named("a");
    CHECK(s.find("finding") == nullptr);
    s.set("finding", 2.0f);
    s.set("lungs", s.image, label_kind::mask);
    s.set("finding", 1.0f);
    REQUIRE(s.labels.size() == 2);
    CHECK(s.find("finding")->value(0, 0, 0) == 1.0f);
    CHECK(s.find("finding")->kind == label_kind::values);
    CHECK(s.find("lungs")->kind == label_kind::mask);
}

TEST_CASE("datasets are chosen from, joined and hidden behind one type") {
    const any_dataset abc = sample_list({sample_named("a"), sample_named("b"), sample_named("c")});
    const any_dataset de = sample_list({sample_named("d"), sample_named("e")});
    CHECK(ids(subset(abc, {2, 0, 2})) == "cac");
    CHECK(ids(concatenation({abc, sample_list({}), de, abc})) == "abcdeabc");
    CHECK(ids(concatenation({})).empty());
    CHECK_THROWS_AS(subset(abc, {3}), option_error);
    random_stream random{seed{1}};
    CHECK_THROWS_AS(concatenation({abc}).get(3, random), option_error);
}

TEST_CASE("transforms are applied from left to right and draw from the sample's stream") {
    const auto append = [](std::string text) { return [text](sample& s, random_stream&) { s.id += text; }; };
    const auto randomize = [](sample& s, random_stream& random) { s.image(0, 0, 0) = random.uniform(); };
    const transformed changed(sample_list({sample_named("a")}), append("1"), append("2"), randomize);
    random_stream one{seed{1}, "augment", 5}, again{seed{1}, "augment", 5}, other{seed{1}, "augment", 6};
    const sample s = changed.get(0, one);
    CHECK(s.id == "a12");
    CHECK(changed.get(0, again).image(0, 0, 0) == s.image(0, 0, 0));
    CHECK(changed.get(0, other).image(0, 0, 0) != s.image(0, 0, 0));
}
