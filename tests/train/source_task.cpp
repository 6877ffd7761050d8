// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <memory>

#include <umsrep/train/pretrain.hpp>

#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny_dataset;

namespace source_task_test {

struct two_stages : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};

static_assert(source_task<source::denoising<>> && source_task<source::super_resolution<>> && source_task<source::masked_reconstruction<>> &&
              source_task<source::segmentation<"lungs">>);
static_assert(!source_task<data::gaussian_noise>);

data::sample sample_of(std::size_t i) {
    random_stream unused{seed{0}};
    return tiny_dataset{}.get(i, unused);
}

template <source_task Source>
auto learn(int epochs, std::uint64_t number = 1) {
    return pretrain<two_stages, Source>(tiny_dataset{12}, tiny_dataset{6}, optim::adamw{.lr = 1e-2},
        {.modality = "Test", .random = seed{number}, .batch_size = 6, .loading_threads = 0, .run = {.epochs = epochs}});
}

TEST_CASE("denoising, super-resolution and masked reconstruction change the image and want it back") {
    const data::sample clean = sample_of(3);
    const auto check = [&](const auto& task) {
        random_stream r{seed{1}}, again{seed{1}};
        data::sample s = clean, t = clean;
        task(s, r);
        task(t, again);
        REQUIRE(s.find("source") != nullptr);
        CHECK(same_bits(s.find("source")->value, clean.image));
        CHECK_FALSE(same_bits(s.image, clean.image));
        CHECK(same_bits(s.image, t.image)); // all that is random comes from the stream
        CHECK(data::shape_of(s.image) == shape{1, 16, 16});
    };
    check(source::denoising<>{});
    check(source::super_resolution<>{});
    check(source::masked_reconstruction<>{.patch = 4});
}

TEST_CASE("super-resolution takes what is finer than its factor") {
    data::sample s = sample_of(0);
    for (std::size_t y = 0; y < 16; ++y)
        for (std::size_t x = 0; x < 16; ++x) s.image(0, y, x) = (x + y) % 2 == 0 ? 1.0f : 0.0f; // a chessboard of pixels
    random_stream r{seed{1}};
    source::super_resolution<>{.factor = 2}(s, r);
    for (const float v : s.image) REQUIRE(v == doctest::Approx(0.5f));
    CHECK(test::message_of<option_error>([&] { source::super_resolution<>{.factor = 3}(s, r); }) ==
          "super-resolution of sample 'tiny 0': expected a factor of 2 or more that divides (1, 16, 16), got 3");
}

TEST_CASE("masked reconstruction hides whole patches, about the share that is asked for, alike in all channels") {
    data::sample s;
    s.image = data::uninitialized({2, 64, 64});
    random_stream fill{seed{2}};
    for (float& v : s.image) v = fill.uniform();
    const data::tensor before = s.image;
    random_stream r{seed{3}};
    source::masked_reconstruction<>{.patch = 8, .hidden = 0.6f}(s, r);
    int hidden = 0;
    for (std::size_t top = 0; top < 64; top += 8)
        for (std::size_t left = 0; left < 64; left += 8) {
            int changed = 0;
            for (std::size_t c = 0; c < 2; ++c)
                for (std::size_t y = top; y < top + 8; ++y)
                    for (std::size_t x = left; x < left + 8; ++x) changed += s.image(c, y, x) != before(c, y, x) ? 1 : 0;
            REQUIRE((changed == 0 || changed == 128));
            hidden += changed != 0 ? 1 : 0;
        }
    CHECK(hidden > 64 * 0.6 - 3 * std::sqrt(64 * 0.24));
    CHECK(hidden < 64 * 0.6 + 3 * std::sqrt(64 * 0.24));
    CHECK_THROWS_AS(source::masked_reconstruction<>{.patch = 0}(s, r), option_error);
    CHECK_THROWS_AS(source::masked_reconstruction<>{.hidden = 1}(s, r), option_error);
}

TEST_CASE("segmentation takes the masks of the named label, and no others") {
    random_stream r{seed{1}};
    data::sample s = sample_of(1);
    source::segmentation<"lungs">{}(s, r);
    REQUIRE(s.find("source") != nullptr);
    CHECK(same_bits(s.find("source")->value, s.find("lungs")->value));
    CHECK(s.find("source")->kind == data::label_kind::mask);
    data::sample without = sample_of(1);
    source::segmentation<"heart">{}(without, r);
    CHECK(without.find("source") == nullptr);
}

TEST_CASE_TEMPLATE("pre-training lowers the loss on images it has not seen", Source, source::denoising<>, source::super_resolution<>,
                   source::masked_reconstruction<>, source::segmentation<"lungs">) {
    const auto learnt = learn<Source>(12);
    const auto& epochs = learnt.record.training.epochs;
    REQUIRE(epochs.size() == 12);
    double best = epochs.front().monitor;
    for (const epoch_record& e : epochs) best = std::min(best, e.monitor);
    CHECK(best < 0.9 * epochs.front().monitor);
    CHECK(learnt.record.name() == "UMS-Rep^Test_" + std::string(Source::name));
}

TEST_CASE("pre-training is a function of its seed") {
    using task = source::denoising<to_image<4>>;
    const auto a = learn<task>(1), b = learn<task>(1), c = learn<task>(1, 2);
    CHECK(same_bits(a.net.parameters(), b.net.parameters()));
    CHECK_FALSE(same_bits(a.net.parameters(), c.net.parameters()));
}

TEST_CASE("pre-training without a modality is refused") {
    CHECK(test::message_of<option_error>([] {
        pretrain<two_stages, source::denoising<to_image<4>>>(tiny_dataset{}, tiny_dataset{}, optim::adamw{}, {});
    }) == "pretrain: modality: expected a name such as CXR, got none");
}

TEST_CASE("image statistics are those of all pixels, per channel, and do not depend on how images are cut") {
    struct two_channels {
        std::size_t parts;
        std::size_t size() const { return parts; }
        data::sample get(std::size_t i, random_stream&) const {
            random_stream r{seed{4}}; // 2 channels of 8 x 8 in all, cut into `parts` of 8 / parts rows
            data::tensor whole = data::uninitialized({2, 8, 8});
            for (float& v : whole) v = 3 + r.normal();
            const std::size_t rows = 8 / parts;
            data::sample s;
            s.image = data::uninitialized({2, static_cast<int>(rows), 8});
            for (std::size_t c = 0; c < 2; ++c)
                for (std::size_t y = 0; y < rows; ++y)
                    for (std::size_t x = 0; x < 8; ++x) s.image(c, y, x) = whole(c, i * rows + y, x);
            return s;
        }
    };
    const auto whole = data::statistics_of(two_channels{1}), cut = data::statistics_of(two_channels{4});
    CHECK(whole.images == 1);
    CHECK(cut.images == 4);
    random_stream unused{seed{0}};
    const data::tensor pixels = two_channels{1}.get(0, unused).image;
    for (std::size_t c = 0; c < 2; ++c) {
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < 64; ++i) sum += static_cast<double>(pixels.data()[c * 64 + i]);
        for (std::size_t i = 0; i < 64; ++i) squares += std::pow(static_cast<double>(pixels.data()[c * 64 + i]) - sum / 64, 2);
        CHECK(whole.mean[c] == doctest::Approx(sum / 64));
        CHECK(whole.deviation[c] == doctest::Approx(std::sqrt(squares / 64)));
        CHECK(cut.mean[c] == doctest::Approx(whole.mean[c]));
        CHECK(cut.deviation[c] == doctest::Approx(whole.deviation[c]));
        CHECK(cut.least[c] == whole.least[c]);
        CHECK(cut.greatest[c] == whole.greatest[c]);
    }
}

} // namespace source_task_test
