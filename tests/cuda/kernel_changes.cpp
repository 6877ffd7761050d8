// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include <umsrep/backend/cuda/kernel/map.cuh>
#include <umsrep/data/compute.hpp>
#include <umsrep/data/geometry.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/noise.hpp>
#include <umsrep/train/cuda/step_block.hpp>

namespace umsrep::test::kernel_changes {

namespace kernel = cuda::kernel;

/// A machine that runs bodies at once, where they are launched.
struct at_once {
    template <class Body>
    void launch(const Body& body) {
        kernel::map_on_host(body);
    }
};

/// Samples with everything that can be recorded, the mirror images of maps too.
std::vector<data::sample> samples_of(shape image, int n) {
    std::vector<data::sample> result;
    for (int i = 0; i < n; ++i) {
        random_stream random(seed{11}, "kernel changes", static_cast<std::uint64_t>(i));
        data::sample s;
        s.id = std::to_string(i);
        s.records = true;
        s.image = data::uninitialized(image);
        data::tensor classes = data::uninitialized({1, image.h, image.w}), mask = data::uninitialized({2, image.h, image.w});
        for (std::size_t k = 0; k < s.image.size(); ++k) s.image.data()[k] = random.uniform();
        for (std::size_t k = 0; k < classes.size(); ++k) classes.data()[k] = static_cast<float>(random.below(4));
        for (std::size_t k = 0; k < mask.size(); ++k) mask.data()[k] = static_cast<float>(random.below(2));
        s.set("classes", classes, data::label_kind::mask);
        s.set("masks", mask, data::label_kind::mask);
        s.set("class", 1.0f);
        data::random_affine{.rotation = 40, .shift = 0.2f, .scale = 0.3f, .probability = 0.7f}(s, random);
        data::random_flip{0.5f, 0.5f}(s, random);
        data::random_intensity{.brightness = 0.3f, .contrast = 0.5f, .gamma = 0.5f, .probability = 0.5f}(s, random);
        data::gaussian_noise{.sigma = {0.05f, 0.3f}, .head = "denoise", .probability = 0.6f, .clamped = i % 2 == 0}(s, random);
        if (i % 3 == 0) std::erase_if(s.labels, [](const data::label& l) { return l.head == "masks"; });
        result.push_back(std::move(s));
    }
    return result;
}

TEST_CASE("recorded changes of a batch, computed by a kernel, are those that the host computes") {
    for (const shape image : {shape{1, 16, 16}, shape{3, 9, 14}, shape{2, 1, 5}, shape{1, 1, 1}}) {
        CAPTURE(data::to_string(image));
        constexpr int n = 12;
        std::vector<data::sample> samples = samples_of(image, n);
        const std::vector<data::head_spec> heads{
            {"classes", {1, image.h, image.w}}, {"masks", {2, image.h, image.w}}, {"class", {1, 1, 1}}, {"denoise", image}};
        const data::batch recorded = data::collate(samples, image, heads);
        for (data::sample& s : samples) data::compute(s);
        const data::batch expected = data::collate(samples, image, heads);
        REQUIRE(cuda::step_block::changed(recorded) == 0b10111);
        CHECK(cuda::step_block::changed(expected) == 0);

        const cuda::step_block block(image, 5, {{1, image.h, image.w}, {2, image.h, image.w}, {1, 1, 1}, image}, n + 3);
        std::vector<double> host((block.bytes() + 7) / 8, std::nan("")), device = host;
        block.put(recorded, host.data());
        device = host;
        at_once machine;
        block.enqueue_changes(machine, host.data(), device.data(), n, cuda::step_block::changed(recorded));
        const float* const images = block.images(device.data());
        double largest = 0;
        for (std::size_t i = 0; i < expected.images.size(); ++i)
            largest = std::fmax(largest, std::fabs(static_cast<double>(images[i] - expected.images.data()[i])));
        CHECK(largest < 1e-6);
        for (std::size_t h = 0; h < heads.size(); ++h) {
            CAPTURE(heads[h].name);
            const float* const target = block.target(device.data(), h);
            for (std::size_t i = 0; i < expected.heads[h].values.size(); ++i) {
                if (h < 3) REQUIRE(target[i] == expected.heads[h].values.data()[i]);
                else REQUIRE(std::fabs(static_cast<double>(target[i] - expected.heads[h].values.data()[i])) < 1e-6);
            }
        }
    }
}

TEST_CASE("a kernel draws the normal numbers of the host's streams, wherever in a block they begin") {
    random_stream random(seed{5}, "noise", 3);
    const auto key = random.key(), tag = random.tag();
    const kernel::stream there{{key[0], key[1]}, {tag[0], tag[1]}};
    for (int i = 0; i < 200; ++i) {
        const std::uint64_t position = random.position();
        REQUIRE(kernel::normal_at(there, position) == doctest::Approx(random.normal()).epsilon(1e-6));
        if (i % 7 == 0) random();
    }
}

} // namespace umsrep::test::kernel_changes
