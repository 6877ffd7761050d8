// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/doppler_dataset.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <umsrep/data/dataset.hpp>

#include "../support/message_of.hpp"

namespace doppler_dataset_tests {

using namespace umsrep;
using namespace umsrep::sim;

static_assert(data::dataset<doppler_dataset>);

doppler_dataset_options small(std::size_t count = 32) {
    doppler_dataset_options options;
    options.doppler.height = options.doppler.width = 32;
    options.count = count;
    return options;
}

TEST_CASE("a simulated Doppler sample is the image with speckle, and the clean one, envelope, quality and flow as labels") {
    const doppler_dataset set{seed{1}, small()};
    REQUIRE(set.size() == 32);
    random_stream unused{seed{0}};
    for (std::size_t i = 0; i < 9; ++i) {
        const auto truth = set.simulate(i);
        const data::sample s = set.get(i, unused);
        CHECK(s.id == "doppler-" + std::to_string(i));
        CHECK(s.group == "simulated");
        CHECK(s.image == truth.noisy);
        REQUIRE(s.labels.size() == 4);
        CHECK(s.find("denoise")->value == truth.clean);
        CHECK(s.find("denoise")->kind == data::label_kind::image);
        CHECK(s.find("envelope")->value == truth.envelope);
        CHECK(s.find("envelope")->kind == data::label_kind::mask);
        CHECK(s.find("quality")->value(0, 0, 0) == static_cast<float>(truth.quality));
        CHECK(s.find("flow")->value(0, 0, 0) == static_cast<float>(i % 8));
        CHECK(s.find("flow")->kind == data::label_kind::values);
        CHECK(truth.flow == set.flow(i));
    }
    CHECK(unused.position() == 0);
}

TEST_CASE("Doppler sets with other first patients do not overlap, and continue one another") {
    auto options = small();
    const doppler_dataset whole{seed{1}, options};
    options.first = 10;
    const doppler_dataset part{seed{1}, options};
    random_stream unused{seed{0}};
    CHECK(part.get(0, unused).id == "doppler-10");
    CHECK(part.get(3, unused).image == whole.get(13, unused).image);
    CHECK(part.flow(3) == whole.flow(13));
}

TEST_CASE("fresh speckle differs from call to call, its patient and labels do not, and the stream alone decides it") {
    auto options = small();
    options.fresh_noise = true;
    const doppler_dataset set{seed{1}, options};
    random_stream a{seed{2}}, b{seed{3}}, again{seed{2}};
    const data::sample first = set.get(4, a), second = set.get(4, b), repeated = set.get(4, again);
    CHECK(first.image != second.image);
    CHECK(first.image == repeated.image);
    for (const data::label& l : first.labels) CHECK(l.value == second.find(l.head)->value);
}

TEST_CASE("heads without a name are left out, and some Doppler samples may come clean") {
    auto options = small();
    options.flow = options.quality = options.denoise = "";
    options.noisy_share = 0.5f;
    const doppler_dataset set{seed{1}, options};
    random_stream unused{seed{0}};
    int clean = 0;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const data::sample s = set.get(i, unused);
        REQUIRE(s.labels.size() == 1);
        CHECK(s.labels.front().head == "envelope");
        clean += s.image == set.simulate(i).clean;
    }
    CHECK(clean > 6);
    CHECK(clean < 26);
}

TEST_CASE("a Doppler set refuses what cannot be by name") {
    using test::message_of;
    auto options = small();
    CHECK(message_of<option_error>([&] { doppler_dataset{seed{1}, options}.simulate(32); }) ==
          "simulated sample: expected an index below 32, got 32");
    options.noisy_share = 2.0f;
    CHECK(message_of<option_error>([&] { doppler_dataset{seed{1}, options}; }).find("Doppler noisy_share") == 0);
    options = small();
    options.doppler.width = 8;
    CHECK(message_of<option_error>([&] { doppler_dataset{seed{1}, options}; }).find("Doppler height or width") == 0);
}

/// What a plain classifier sees of an image of 32 x 32, and the class: pixels, averaged over 2 x 2; and, whatever the phase of the
/// beat, mean and standard deviation of each row.
struct example {
    std::vector<double> features;
    int label;
};
constexpr std::size_t features = 256 + 2 * 32;

template <class Image, class Label>
std::vector<example> examples(std::size_t first, std::size_t count, Image&& image, Label&& label) {
    auto options = small(count);
    options.first = first;
    options.doppler.overlay_share = 1.0f;
    const doppler_dataset set{seed{11}, options};
    std::vector<example> result;
    for (std::size_t i = 0; i < count; ++i) {
        const auto truth = set.simulate(i);
        const auto& picture = image(truth);
        example e{std::vector<double>(features), static_cast<int>(label(truth))};
        for (std::size_t y = 0; y < 32; ++y) {
            double sum = 0.0, squares = 0.0;
            for (std::size_t x = 0; x < 32; ++x) {
                const auto v = static_cast<double>(picture(0, y, x));
                e.features[y / 2 * 16 + x / 2] += 0.25 * v;
                sum += v;
                squares += v * v;
            }
            e.features[256 + y] = sum / 32;
            e.features[288 + y] = std::sqrt(std::max(0.0, squares / 32 - sum * sum / 1024));
        }
        result.push_back(std::move(e));
    }
    return result;
}

/// Share of the test examples that the nearest class mean of the training examples tells right.
double nearest_mean(const std::vector<example>& train, const std::vector<example>& test, std::size_t classes) {
    std::vector<std::vector<double>> mean(classes, std::vector<double>(features));
    std::vector<double> count(classes);
    for (const example& e : train) {
        const auto label = static_cast<std::size_t>(e.label);
        for (std::size_t i = 0; i < features; ++i) mean[label][i] += e.features[i];
        ++count[label];
    }
    int right = 0;
    for (const example& e : test) {
        double nearest = 1e300;
        int best = -1;
        for (std::size_t c = 0; c < classes; ++c) {
            double distance = 0.0;
            for (std::size_t i = 0; i < features; ++i) {
                const double d = e.features[i] - mean[c][i] / count[c];
                distance += d * d;
            }
            if (distance < nearest) {
                nearest = distance;
                best = static_cast<int>(c);
            }
        }
        right += best == e.label;
    }
    return static_cast<double>(right) / static_cast<double>(test.size());
}

/// The same of softmax regression, 60 epochs of gradient steps.
double softmax_regression(const std::vector<example>& train, const std::vector<example>& test, std::size_t classes) {
    std::vector<std::vector<double>> weight(classes, std::vector<double>(features + 1));
    const auto scores = [&](const example& e) {
        std::vector<double> s(classes);
        for (std::size_t c = 0; c < classes; ++c) {
            s[c] = weight[c][features];
            for (std::size_t i = 0; i < features; ++i) s[c] += weight[c][i] * e.features[i];
        }
        return s;
    };
    for (int epoch = 0; epoch < 60; ++epoch) {
        for (const example& e : train) {
            std::vector<double> p = scores(e);
            double sum = 0.0;
            for (double& v : p) sum += v = std::exp(v);
            for (std::size_t c = 0; c < classes; ++c) {
                const double step = 0.05 * (p[c] / sum - (static_cast<std::size_t>(e.label) == c ? 1.0 : 0.0));
                for (std::size_t i = 0; i < features; ++i) weight[c][i] -= step * e.features[i];
                weight[c][features] -= step;
            }
        }
    }
    int right = 0;
    for (const example& e : test) {
        const std::vector<double> s = scores(e);
        std::size_t best = 0;
        for (std::size_t c = 1; c < classes; ++c)
            if (s[c] > s[best]) best = c;
        right += static_cast<int>(best) == e.label;
    }
    return static_cast<double>(right) / static_cast<double>(test.size());
}

TEST_CASE("overlays alone tell neither flow nor quality, to classifiers to which the envelope tells flow and the image quality") {
    constexpr std::size_t trained = 640, tested = 640;
    const auto overlay = [](const doppler_spectrogram& s) -> const auto& { return s.overlay; };
    const auto whole = [](const doppler_spectrogram& s) -> const auto& { return s.noisy; };
    const auto envelope = [](const doppler_spectrogram& s) -> const auto& { return s.envelope; };
    const auto flow = [](const doppler_spectrogram& s) { return s.flow; };
    const auto quality = [](const doppler_spectrogram& s) { return s.quality; };
    // chance plus 4 standard deviations of a share among the tested
    const double flow_chance = 1.0 / 8 + 4 * std::sqrt(7.0 / 64 / tested), quality_chance = 0.5 + 4 * std::sqrt(0.25 / tested);
    {
        const auto train = examples(0, trained, overlay, flow), test = examples(trained, tested, overlay, flow);
        const double mean = nearest_mean(train, test, 8), regression = softmax_regression(train, test, 8);
        MESSAGE("flow from overlays: nearest mean ", mean, ", regression ", regression, ", chance 0.125");
        CHECK(mean < flow_chance);
        CHECK(regression < flow_chance);
    }
    {
        const auto train = examples(0, trained, overlay, quality), test = examples(trained, tested, overlay, quality);
        const double mean = nearest_mean(train, test, 2), regression = softmax_regression(train, test, 2);
        MESSAGE("quality from overlays: nearest mean ", mean, ", regression ", regression, ", chance 0.5");
        CHECK(mean < quality_chance);
        CHECK(regression < quality_chance);
    }
    {
        const auto train = examples(0, trained, envelope, flow), test = examples(trained, tested, envelope, flow);
        const double regression = softmax_regression(train, test, 8);
        MESSAGE("flow from envelopes: nearest mean ", nearest_mean(train, test, 8), ", regression ", regression);
        CHECK(regression > 2 * flow_chance);
    }
    {
        const auto train = examples(0, trained, whole, quality), test = examples(trained, tested, whole, quality);
        const double regression = softmax_regression(train, test, 2);
        MESSAGE("quality from whole images: regression ", regression);
        CHECK(regression > quality_chance);
    }
}

} // namespace doppler_dataset_tests
