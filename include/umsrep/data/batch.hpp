// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/error.hpp>
#include <umsrep/core/shape.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// What a head expects for one sample: image or mask as its output, class index (1, 1, 1), class map (1, H, W),
/// multi-label (L, 1, 1), scalar (1, 1, 1).
struct head_spec {
    std::string name;
    shape target;
};

/// Samples stacked: N, C, H, W.
struct batch {
    struct labels {
        xt::xtensor<float, 4> values;            ///< N, then the head's target shape; zero where the sample is not labelled
        std::vector<std::uint8_t> present;       ///< N; 1 where it is
        std::vector<pixel_changes> changes = {}; ///< as those of the images
    };

    xt::xtensor<float, 4> images;
    std::vector<std::string> ids, groups;
    std::vector<labels> heads;               ///< in the order of the head_specs
    std::vector<pixel_changes> changes = {}; ///< of the images, not computed yet: N, or none where there are none

    std::size_t size() const { return ids.size(); }
    /// Whether something is recorded and not computed: of its pixels, or of a label's.
    bool has_changes() const {
        return !changes.empty() || std::ranges::any_of(heads, [](const labels& l) { return !l.changes.empty(); });
    }
};

inline xt::xtensor<float, 4> uninitialized(std::size_t n, shape s) {
    return xt::xtensor<float, 4>::from_shape(
        std::array{n, static_cast<std::size_t>(s.c), static_cast<std::size_t>(s.h), static_cast<std::size_t>(s.w)});
}

/// Stacks samples in their order, with what is recorded of them. Labels of heads that are not asked for are left out.
/// Throws shape_mismatch naming the sample, and the head where a label does not fit.
inline batch collate(std::span<const sample> samples, shape image, std::span<const head_spec> heads) {
    const auto place = [](const tensor& from, xt::xtensor<float, 4>& to, std::size_t i) {
        std::copy_n(from.data(), from.size(), to.data() + i * from.size());
    };
    const auto place_changes = [&](const pixel_changes& from, std::vector<pixel_changes>& to, std::size_t i) {
        if (!from.any()) return;
        to.resize(samples.size());
        to[i] = from;
    };
    batch result;
    result.images = uninitialized(samples.size(), image);
    for (const head_spec& head : heads) {
        result.heads.push_back({uninitialized(samples.size(), head.target), std::vector<std::uint8_t>(samples.size())});
        std::fill_n(result.heads.back().values.data(), result.heads.back().values.size(), 0.0f);
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const sample& s = samples[i];
        if (shape_of(s.image) != image) {
            throw shape_mismatch("sample '" + s.id + "': image", to_string(image), to_string(shape_of(s.image)));
        }
        place(s.image, result.images, i);
        place_changes(s.changes, result.changes, i);
        result.ids.push_back(s.id);
        result.groups.push_back(s.group);
        for (std::size_t h = 0; h < heads.size(); ++h) {
            const label* found = s.find(heads[h].name);
            if (found == nullptr) continue;
            if (shape_of(found->value) != heads[h].target) {
                throw shape_mismatch("sample '" + s.id + "': label of head '" + heads[h].name + "'", to_string(heads[h].target),
                                     to_string(shape_of(found->value)));
            }
            place(found->value, result.heads[h].values, i);
            place_changes(found->changes, result.heads[h].changes, i);
            result.heads[h].present[i] = 1;
        }
    }
    return result;
}

} // namespace umsrep::data
