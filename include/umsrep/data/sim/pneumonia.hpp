// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>
#include <string_view>

#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/thorax.hpp>
#include <umsrep/data/sim/value_noise.hpp>

namespace umsrep::sim {

/// What the simulated lungs show. The number is the class index.
enum class finding : int { normal = 0, bacterial = 1, viral = 2 };

inline constexpr std::array<std::string_view, 3> finding_names{"normal", "bacterial", "viral"};

/// The share of the lung path turned into soft tissue, at any point of the chest, in [0, 1]; meaningful inside the lungs only.
///   normal      0
///   bacterial   one dense lobar consolidation, share at most .62, its border irregular, on one side often straight (a fissure)
///   viral       diffuse, both lungs, reticular, around the hila; share at most .25
class pneumonia {
public:
    static constexpr float most_bacterial = 0.62f, most_viral = 0.25f;

    /// `pixel`: the finest detail that will be seen, cm.
    pneumonia(finding kind, const thorax& chest, seed s, std::uint64_t index, float pixel) : kind_{kind} {
        constexpr float reach = 16.0f;
        random_stream draw{s, "pneumonia", index};
        if (kind == finding::bacterial) {
            do { // a centre well inside a lung field; about two draws of three are
                const float side = draw.uniform() < 0.5f ? -1.0f : 1.0f;
                centre_ = {side * draw.uniform(0.40f, 0.80f) * chest.half_width, draw.uniform(-7.5f, 5.0f)};
            } while (chest.lung(centre_).least < 1.2f);
            radius_ = draw.uniform(2.8f, 4.4f);
            stretch_ = draw.uniform(0.8f, 1.25f);
            strength_ = draw.uniform(0.36f, most_bacterial);
            fissure_ = draw.uniform() < 0.6f ? draw.uniform(0.2f, 0.7f) : 10.0f;
            const float angle = draw.uniform(-0.35f, 0.35f) + (draw.uniform() < 0.5f ? 0.5f : -0.5f) * std::numbers::pi_v<float>;
            fissure_cosine_ = std::cos(angle);
            fissure_sine_ = std::sin(angle);
            coarse_.emplace(s, "pneumonia border", index, 3.0f, 3, reach, pixel);
        }
        if (kind == finding::viral) {
            strength_ = draw.uniform(0.17f, most_viral);
            radius_ = draw.uniform(5.0f, 8.0f);
            centre_ = {draw.uniform(5.5f, 7.5f), draw.uniform(-2.0f, 2.0f)};
            coarse_.emplace(s, "pneumonia density", index, 5.0f, 2, reach, pixel);
            fine_.emplace(s, "pneumonia strands", index, 1.7f, 3, reach, pixel);
        }
    }

    float operator()(point p) const {
        switch (kind_) {
        case finding::normal: return 0.0f;
        case finding::bacterial: return lobar(p);
        case finding::viral: return diffuse(p);
        }
        return 0.0f;
    }

private:
    static float logistic(float v) { return 1.0f / (1.0f + std::exp(-v)); }

    float lobar(point p) const {
        const float dx = p.x - centre_.x, dy = (p.y - centre_.y) * stretch_;
        const float distance = std::sqrt(dx * dx + dy * dy) / radius_;
        if (distance > 2.2f) return 0.0f;
        const float across = (dx * fissure_cosine_ + dy * fissure_sine_) / radius_;
        const float border = 1.0f - distance + 0.55f * (*coarse_)(p.x, p.y);
        const float share = strength_ * logistic(border / 0.12f) * logistic((fissure_ - across) / 0.035f);
        return share < 0.02f * most_bacterial ? 0.0f : share;
    }

    float diffuse(point p) const {
        const float dx = (std::abs(p.x) - centre_.x) / radius_, dy = (p.y - centre_.y) / (1.5f * radius_);
        const float around_hila = std::exp(-dx * dx - dy * dy);
        const float strands = 1.0f - std::min(1.0f, 3.0f * std::abs((*fine_)(p.x, p.y))); // ridges where the noise crosses 0
        const float patchy = 0.7f + 0.3f * (*coarse_)(p.x, p.y);
        return strength_ * std::min(1.0f, (0.3f + 0.7f * around_hila) * patchy * (0.5f + 0.8f * strands));
    }

    finding kind_;
    point centre_;
    float radius_ = 1, stretch_ = 1, strength_ = 0, fissure_ = 0, fissure_cosine_ = 1, fissure_sine_ = 0;
    std::optional<fractal_noise> coarse_, fine_;
};

} // namespace umsrep::sim
