// SPDX-License-Identifier: MIT
#include "data.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <umsrep/core/thread_pool.hpp>
#include <umsrep/data/geometry.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/noise.hpp>
#include <umsrep/data/sim/chest_xray_dataset.hpp>
#include <umsrep/io/kermany.hpp>
#include <umsrep/io/manifest.hpp>
#include <umsrep/io/read_bytes.hpp>

#include "session.hpp"

namespace xray {

namespace data = umsrep::data;

namespace {

/// The clean image becomes the denoising target, before any noise.
struct clean_target {
    static constexpr bool records = true;
    void operator()(data::sample& s, umsrep::random_stream&) const { s.set_to_image("denoise"); }
};

/// Every sample of a dataset, resized; threads share the reading.
std::vector<data::sample> read_all(const data::any_dataset& from, int size, umsrep::thread_pool& pool) {
    std::vector<data::sample> samples(from.size());
    pool.run(static_cast<int>(samples.size()), [&](int i) {
        umsrep::random_stream unused{umsrep::seed{0}};
        data::sample& s = samples[static_cast<std::size_t>(i)];
        s = from.get(static_cast<std::size_t>(i), unused);
        data::resize{size, size}(s, unused);
    });
    return samples;
}

/// Patients that no other split has, always the same ones, whatever the seed of the run.
umsrep::sim::chest_xray_dataset simulated(const data_options& options, const std::string& split, int size) {
    constexpr std::uint64_t between_splits = std::uint64_t{1} << 32;
    const std::size_t fifth = std::max<std::size_t>(3, options.simulated / 5);
    const std::uint64_t place = split == "train" ? 0 : split == "val" ? 1 : 2;
    return {umsrep::seed{2021}, {.xray = {.size = size}, .count = place == 0 ? options.simulated : fifth, .first = place * between_splits,
                                 .noisy_share = 0, .denoise = ""}};
}

/// `batch` divided by the shares; the first part, whose passes are the epochs, takes what remains.
std::vector<data::source> sources(std::vector<part> parts, std::size_t batch, auto&& dataset_of) {
    std::size_t total = 0, left = batch;
    for (const part& p : parts) total += p.share;
    std::vector<data::source> result;
    for (part& p : parts) {
        const std::size_t n = std::max<std::size_t>(1, batch * p.share / total);
        result.push_back({dataset_of(data::sample_list{std::move(p.samples)}), n});
        left -= std::min(n, left);
    }
    result.front().per_batch += left;
    return result;
}

/// A name in a manifest ends at a NUL for the system, not for the table: another file than the named one would be read.
void refuse_nul(const std::string& manifest) {
    const std::vector<std::byte> bytes = umsrep::io::read_bytes(manifest);
    const auto nul = std::ranges::find(bytes, std::byte{0});
    if (nul == bytes.end()) return;
    const auto line = 1 + std::count(bytes.begin(), nul, std::byte{'\n'});
    throw umsrep::file_error(manifest + ": line " + std::to_string(line), "text", "a NUL byte");
}

} // namespace

std::vector<part> read_split(const data_options& options, const std::string& split, int size, int threads) {
    umsrep::thread_pool pool{threads};
    std::vector<part> parts;
    if (options.simulates()) parts.push_back({"simulated", 1, read_all(simulated(options, split, size), size, pool)});
    if (!options.findings.empty()) parts.push_back({"findings", 12, read_all(umsrep::io::kermany{options.findings, split}, size, pool)});
    if (!options.lungs.empty()) {
        refuse_nul(options.lungs);
        const umsrep::io::manifest rows{options.lungs, split, {.masks = {{.head = "lungs"}}}};
        part with_mask{"lungs", 3, read_all(rows, size, pool)}, without{"without mask", 1, {}};
        for (const data::sample& s : with_mask.samples) utf8(s.group, options.lungs + ": dataset of " + s.id);
        const auto second = std::stable_partition(with_mask.samples.begin(), with_mask.samples.end(),
                                                  [](const data::sample& s) { return s.find("lungs") != nullptr; });
        std::move(second, with_mask.samples.end(), std::back_inserter(without.samples));
        with_mask.samples.erase(second, with_mask.samples.end());
        if (with_mask.samples.empty())
            throw umsrep::file_error(options.lungs + ": split '" + split + "'", "at least one row with a mask", "none");
        parts.push_back(std::move(with_mask));
        if (!without.samples.empty()) parts.push_back(std::move(without));
    }
    return parts;
}

std::size_t count(const std::vector<part>& parts) {
    return std::accumulate(parts.begin(), parts.end(), std::size_t{0}, [](std::size_t n, const part& p) { return n + p.samples.size(); });
}

std::size_t labelled(const std::vector<part>& parts, std::string_view head) {
    if (head == "denoise") return count(parts);
    std::size_t n = 0;
    for (const part& p : parts)
        n += static_cast<std::size_t>(std::ranges::count_if(p.samples, [&](const data::sample& s) { return s.find(head) != nullptr; }));
    return n;
}

std::vector<std::size_t> class_counts(const std::vector<part>& parts) {
    std::vector<std::size_t> counts(class_names.size());
    for (const part& p : parts)
        for (const data::sample& s : p.samples)
            if (const data::label* l = s.find("finding")) ++counts.at(static_cast<std::size_t>(l->value(0, 0, 0)));
    return counts;
}

void add_noise(data::sample& s, double sigma) {
    umsrep::random_stream random{umsrep::seed{0}, s.id};
    data::gaussian_noise{.sigma = static_cast<float>(sigma), .head = ""}(s, random);
}

data::loader training_loader(std::vector<part> parts, const loading& how) {
    auto from = sources(std::move(parts), how.batch, [&](data::sample_list samples) -> data::any_dataset {
        // No mirror images: left and right differ in a chest.
        return data::transformed(std::move(samples),
                                 data::random_affine{.rotation = 7, .shift = 0.06f, .scale = 0.1f, .probability = 0.75f},
                                 data::random_intensity{.brightness = 0.08f, .contrast = 0.2f, .gamma = 0.2f}, clean_target{},
                                 data::gaussian_noise{.sigma = static_cast<float>(how.noise), .head = "", .probability = 0.5f});
    });
    return {std::move(from), how.image, how.targets, {.random = how.random, .later = true}};
}

data::loader validation_loader(std::vector<part> parts, const loading& how) {
    std::vector<data::any_dataset> sets;
    for (part& p : parts)
        sets.push_back(data::transformed(data::sample_list{std::move(p.samples)}, clean_target{},
                                         data::gaussian_noise{.sigma = static_cast<float>(how.noise), .head = "", .probability = 0.5f}));
    return {data::concatenation{std::move(sets)}, how.batch, how.image, how.targets, {.random = umsrep::seed{0}, .shuffle = false}};
}

} // namespace xray
