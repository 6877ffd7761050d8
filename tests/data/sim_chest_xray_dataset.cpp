// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/chest_xray_dataset.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

#include <umsrep/data/dataset.hpp>

using namespace umsrep;
using namespace umsrep::sim;

static_assert(data::dataset<chest_xray_dataset>);

namespace {

chest_xray_dataset_options small() {
    chest_xray_dataset_options options;
    options.xray.size = 48;
    options.count = 30;
    return options;
}

} // namespace

TEST_CASE("a simulated sample is the noisy image with the clean one, the lungs and the finding as labels") {
    const chest_xray_dataset set{seed{1}, small()};
    REQUIRE(set.size() == 30);
    random_stream unused{seed{0}};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto truth = set.simulate(i);
        const data::sample s = set.get(i, unused);
        CHECK(s.id == "xray-" + std::to_string(i));
        CHECK(s.group == "simulated");
        CHECK(s.image == truth.noisy);
        REQUIRE(s.labels.size() == 3);
        REQUIRE(s.find("denoise"));
        CHECK(s.find("denoise")->value == truth.clean);
        CHECK(s.find("denoise")->kind == data::label_kind::image);
        CHECK(s.find("lungs")->value == truth.lungs);
        CHECK(s.find("lungs")->kind == data::label_kind::mask);
        CHECK(s.find("finding")->value.size() == 1);
        CHECK(s.find("finding")->value(0, 0, 0) == static_cast<float>(truth.kind));
        CHECK(s.find("finding")->kind == data::label_kind::values);
    }
    CHECK(unused.position() == 0);
}

TEST_CASE("the three findings come equally often") {
    const chest_xray_dataset set{seed{1}, small()};
    std::array<int, 3> count{};
    for (std::size_t i = 0; i < set.size(); ++i) ++count[static_cast<std::size_t>(set.kind(i))];
    CHECK(count == std::array{10, 10, 10});
}

TEST_CASE("sets with other first patients do not overlap, and continue one another") {
    auto options = small();
    const chest_xray_dataset whole{seed{1}, options};
    options.first = 10;
    const chest_xray_dataset part{seed{1}, options};
    random_stream unused{seed{0}};
    CHECK(part.get(0, unused).id == "xray-10");
    CHECK(part.get(3, unused).image == whole.get(13, unused).image);
}

TEST_CASE("some samples may come clean, and always the same ones") {
    auto options = small();
    options.noisy_share = 0.5f;
    const chest_xray_dataset set{seed{2}, options};
    int noisy = 0;
    random_stream unused{seed{0}};
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto s = set.get(i, unused);
        noisy += s.image != s.find("denoise")->value;
        CHECK(s.image == set.get(i, unused).image);
    }
    CHECK(noisy > 5);
    CHECK(noisy < 25);
    options.noisy_share = 0;
    const auto clean = chest_xray_dataset{seed{2}, options}.get(4, unused);
    CHECK(clean.image == clean.find("denoise")->value);
}

TEST_CASE("fresh noise comes from the stream of the call; the patient stays") {
    auto options = small();
    options.fresh_noise = true;
    const chest_xray_dataset set{seed{1}, options};
    random_stream epoch_1{seed{5}, "augment", 1}, again = epoch_1, epoch_2{seed{5}, "augment", 2};
    const auto a = set.get(0, epoch_1), b = set.get(0, again), c = set.get(0, epoch_2);
    CHECK(a.image == b.image);
    CHECK(a.image != c.image);
    CHECK(a.find("denoise")->value == c.find("denoise")->value);
}

TEST_CASE("heads may be renamed or left out") {
    auto options = small();
    options.denoise = "";
    options.lungs = "mask";
    random_stream unused{seed{0}};
    const auto s = chest_xray_dataset{seed{1}, options}.get(0, unused);
    CHECK(s.labels.size() == 2);
    CHECK_FALSE(s.find("denoise"));
    CHECK(s.find("mask"));
}

TEST_CASE("an index beyond the set and wrong options throw") {
    const chest_xray_dataset set{seed{1}, small()};
    random_stream unused{seed{0}};
    CHECK_THROWS_WITH_AS(set.get(30, unused), "simulated sample: expected an index below 30, got 30", option_error);
    auto options = small();
    options.noisy_share = 1.5f;
    CHECK_THROWS_AS((chest_xray_dataset{seed{1}, options}), option_error);
    options = small();
    options.xray.size = 5000;
    CHECK_THROWS_AS((chest_xray_dataset{seed{1}, options}), option_error);
}
