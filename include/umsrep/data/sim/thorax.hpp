// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/stroke.hpp>

namespace umsrep::sim {

namespace detail {

constexpr float square(float v) { return v * v; }

/// 0 below `from`, 1 above `to`, smooth between.
inline float smooth_step(float from, float to, float v) {
    const float t = std::clamp((v - from) / (to - from), 0.0f, 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

/// Quarter of a circle: thickness of a rounded edge at depth `t` (in units of its radius) behind the silhouette, in [0, 1].
inline float rounded(float t) { return t >= 1.0f ? 1.0f : t <= 0.0f ? 0.0f : std::sqrt(t * (2.0f - t)); }

} // namespace detail

/// A tube seen from the side: its middle line and radius, in cm.
struct tube {
    std::vector<point> line;
    float radius;
};

/// One patient's chest in frontal projection, as closed formulas. Centimetres; the origin lies in the midline at the height of the
/// hila, x to the right of the image (the patient's left), y down. Proportions after ordinary frontal radiographs, not after one
/// patient; see docs/design/simulator.md.
struct thorax {
    float half_width;            ///< widest half-width inside the ribs
    float apex;                  ///< y of the lung tops
    float dome_right, dome_left; ///< y of the crests of the diaphragm
    float depth;               ///< front to back at the thickest
    float mediastinum;         ///< half-width above the heart
    float knob;                ///< how far the aortic arch stands out
    float heart_x, heart_y, heart_long, heart_short; ///< ellipse: centre and half-axes
    float heart_cosine, heart_sine; ///< direction of its long axis, down to the patient's left
    float shoulder;            ///< half-width of the shoulders
    float bone;                ///< bone density relative to the usual
    float gas_x, gas_y, gas;   ///< stomach bubble under the left dome: centre, size (0: none)
    float rib_drop, rib_pitch; ///< how far a rib falls from back to front; distance to the next rib

    /// A patient from a stream.
    static thorax draw(random_stream& draw) {
        thorax t{};
        t.half_width = draw.uniform(12.2f, 14.6f);
        t.apex = draw.uniform(-13.2f, -11.4f);
        t.dome_right = draw.uniform(4.6f, 7.4f);
        t.dome_left = t.dome_right + draw.uniform(0.3f, 1.6f);
        t.depth = draw.uniform(18.0f, 23.0f);
        t.mediastinum = draw.uniform(2.5f, 3.3f);
        t.knob = draw.uniform(0.3f, 1.2f);
        const float ratio = draw.uniform(0.40f, 0.58f);
        const float tilt = draw.uniform(0.35f, 0.62f), shape = draw.uniform(0.62f, 0.74f);
        const float c = t.heart_cosine = std::cos(tilt), s = t.heart_sine = std::sin(tilt);
        const float half = ratio * t.half_width;
        t.heart_long = half / std::sqrt(c * c + shape * shape * s * s);
        t.heart_short = shape * t.heart_long;
        t.heart_x = draw.uniform(0.28f, 0.36f) * half;
        const float height = t.heart_long * std::sqrt(s * s + shape * shape * c * c);
        t.heart_y = t.dome_left + draw.uniform(1.0f, 2.0f) - height; // it rests on the diaphragm
        t.shoulder = draw.uniform(17.0f, 21.0f);
        t.bone = draw.uniform(0.75f, 1.2f);
        t.gas_x = draw.uniform(5.5f, 9.0f);
        t.gas_y = t.dome_left + draw.uniform(2.0f, 3.2f);
        t.gas = draw.uniform() < 0.6f ? draw.uniform(1.0f, 2.4f) : 0.0f;
        t.rib_drop = draw.uniform(6.0f, 8.0f);
        t.rib_pitch = draw.uniform(2.15f, 2.5f);
        return t;
    }

    /// Widest breadth of the heart over widest breadth of the chest inside the ribs; above one half counts as an enlarged heart.
    float cardiothoracic_ratio() const {
        return std::sqrt(detail::square(heart_long * heart_cosine) + detail::square(heart_short * heart_sine)) / half_width;
    }

    /// Inside the heart's outline: < 0, by about the distance in cm; outside: > 0.
    float heart_distance(point p) const {
        const float dx = p.x - heart_x, dy = p.y - heart_y;
        const float along = (heart_cosine * dx + heart_sine * dy) / heart_long;
        const float across = (heart_cosine * dy - heart_sine * dx) / heart_short;
        return (std::sqrt(along * along + across * across) - 1.0f) * heart_short;
    }

    /// Distance from the midline to the chest wall at height y: a quarter ellipse from the apex to the widest place.
    float chest_wall(float y) const {
        const float rise = std::clamp((y - apex) / (0.78f * (7.0f - apex)), 0.0f, 1.0f);
        return half_width * std::sqrt(rise * (2.0f - rise));
    }

    /// Distance from the midline to the mediastinum's border; `left` is the patient's left, the right half of the image.
    float mediastinal_border(float y, bool left) const {
        const float top = 0.7f * std::exp(-detail::square((y - apex) / 2.5f));
        const float bulge = left ? knob * std::exp(-detail::square((y + 5.8f) / 1.5f)) + 0.5f * std::exp(-detail::square((y + 2.4f) / 1.4f))
                                 : 0.3f * std::exp(-detail::square((y + 4.0f) / 3.0f));
        return mediastinum + top + bulge;
    }

    /// y of the diaphragm: a dome that falls to the side into the costophrenic angle.
    float diaphragm(float from_midline, bool left) const {
        const float crest = left ? dome_left : dome_right;
        const float lateral = std::max(0.0f, from_midline - 10.0f);
        const float to_side = (from_midline - 6.0f) / 7.0f;
        return crest + (to_side > 0.0f ? 2.6f : 1.0f) * to_side * to_side + 0.08f * lateral * lateral;
    }

    /// The minimum of two distances, less where they differ by less than `radius`: a corner rounded off.
    static float smooth_min(float a, float b, float radius) {
        return std::min(a, b) - detail::square(std::max(0.0f, radius - std::abs(a - b))) / (4.0f * radius);
    }

    /// How deep a point lies behind each border of its lung, in cm; outside of the lung at least one is not positive.
    struct lung_depth {
        float wall, heart, diaphragm; // heart: and mediastinum
        float least;                  // of the three, corners rounded off
        bool inside() const { return least > 0.0f; }
    };
    lung_depth lung(point p) const {
        const bool left = p.x > 0.0f;
        const float from_midline = std::abs(p.x);
        const float mediastinum_distance = from_midline - mediastinal_border(p.y, left), heart = heart_distance(p);
        const float wall = chest_wall(p.y) - from_midline, dome = diaphragm(from_midline, left) - p.y;
        // great vessels round off the corner of heart and mediastinum, the pleura's folds those with the diaphragm
        const float both = smooth_min(mediastinum_distance, heart, 1.6f);
        return {wall, both, dome, smooth_min(smooth_min(wall, dome, 2.5f), both, 2.0f)};
    }

    /// Path through lung along the ray at p, cm. Behind the heart, the mediastinum and the domes some lung remains, though the
    /// radiologist's lung field (and the mask) ends at their borders.
    float lung_path(const lung_depth& d) const {
        using detail::rounded;
        const float behind_dome = d.diaphragm > 0 ? 0.62f + 0.38f * rounded(d.diaphragm / 3.0f) : 0.30f * std::exp(d.diaphragm / 1.6f);
        const float beside_heart = d.heart > 0 ? 0.58f + 0.42f * rounded(d.heart / 2.5f) : 0.32f * std::exp(d.heart / 2.0f);
        return 0.70f * depth * rounded(d.wall / 4.5f) * behind_dome * beside_heart;
    }

    /// Path through the body, cm; 0 beside it.
    float body_path(point p) const {
        const float neck = 5.2f, chest = half_width + 2.4f + 0.06f * std::max(0.0f, p.y);
        const float shoulders = neck + (shoulder - neck) * detail::smooth_step(apex - 3.5f, apex + 0.5f, p.y);
        const float edge = shoulders + (chest - shoulders) * detail::smooth_step(apex + 3.0f, apex + 9.0f, p.y);
        const float r = std::abs(p.x) / edge;
        if (r >= 1.0f) return 0.0f;
        const float thick = 0.62f + 0.38f * detail::smooth_step(apex - 4.0f, apex + 7.0f, p.y);
        return depth * thick * std::sqrt(1.0f - r * r * r);
    }

    /// Air in the trachea and the stomach, cm.
    float air_path(point p) const {
        float air = 0.0f;
        const float carina = -5.0f;
        if (p.y < carina + 1.0f) {
            const float across = 1.0f - detail::square(p.x / 0.95f);
            if (across > 0.0f) air += 1.8f * std::sqrt(across) * (1.0f - detail::smooth_step(carina - 0.5f, carina + 1.0f, p.y));
        }
        if (gas > 0.0f) {
            const float q = 1.0f - detail::square((p.x - gas_x) / (1.5f * gas)) - detail::square((p.y - gas_y) / (0.75f * gas));
            if (q > 0.0f) air += 3.2f * gas * std::sqrt(q);
        }
        return air;
    }

    /// Bone of the spine, cm: a column with a waist at each vertebra's middle.
    float spine_path(point p) const {
        if (std::abs(p.x) > 1.85f) return 0.0f;
        const float period = 2.0f * std::numbers::pi_v<float> * (p.y - apex) / 2.5f;
        const float wide = 1.7f + 0.12f * std::cos(period);
        const float across = 1.0f - detail::square(p.x / wide);
        return across <= 0.0f ? 0.0f : bone * 1.5f * std::sqrt(across) * (0.78f + 0.22f * std::cos(period));
    }

    /// Rib `number` (0 = first) of one side: a half ellipse from the spine around the side to the front, where the invisible cartilage
    /// begins. The first point is at the spine.
    tube rib(int number, bool left) const {
        const float back = apex + 0.2f + rib_pitch * static_cast<float>(number);
        const float drop = rib_drop * std::min(1.0f, 0.55f + 0.12f * static_cast<float>(number));
        const float side = std::max(chest_wall(back + 0.5f * drop), 0.45f * half_width) + 0.25f;
        tube result{{}, 0.52f + 0.012f * static_cast<float>(number)};
        constexpr int steps = 28;
        for (int i = 0; i <= steps; ++i) {
            const float angle = (0.03f + 0.82f * static_cast<float>(i) / steps) * std::numbers::pi_v<float>;
            const float x = side * std::sin(angle);
            // the back half rises a little before it falls; the front half falls steeply
            const float y = back + 0.5f * drop * (1.0f - std::cos(angle)) - 0.6f * std::sin(2.0f * angle);
            result.line.push_back({left ? x : -x, y});
        }
        return result;
    }
    static constexpr int ribs = 10;

    tube clavicle(bool left) const {
        tube result{{}, 0.55f};
        for (int i = 0; i <= 12; ++i) {
            const float u = static_cast<float>(i) / 12.0f;
            const float x = 1.6f + u * (0.74f * shoulder - 1.6f);
            const float y = apex + 2.9f - 2.6f * u + 0.55f * std::sin(2.0f * std::numbers::pi_v<float> * u);
            result.line.push_back({left ? x : -x, y});
        }
        return result;
    }

    /// Medial and lateral border of a shoulder blade and the head of the upper arm, lateral of the upper lungs.
    std::vector<tube> shoulder_bones(bool left) const {
        const float s = left ? 1.0f : -1.0f;
        const auto at = [&](float x, float y) { return point{s * x, apex + y}; };
        const float x = half_width;
        return {{{at(x - 1.2f, 1.5f), at(x - 1.8f, 5.0f), at(x - 0.9f, 9.5f)}, 0.35f},
                {{at(x - 0.9f, 9.5f), at(x + 1.2f, 5.5f), at(x + 2.4f, 2.2f)}, 0.45f},
                {{at(0.86f * shoulder, 2.6f), at(0.86f * shoulder, 2.7f)}, 2.3f}};
    }
};

/// The pulmonary vessels of both lungs: from each hilum trunks fork five times, a child having .79 of the parent's radius (equal
/// halves under Murray's law, 2^(-1/3): PNAS 12, 1926, 207-214). Straight pieces of two points.
inline std::vector<tube> vessel_tree(const thorax& chest, random_stream& draw) {
    std::vector<tube> vessels;
    struct branch {
        point from;
        float angle, radius, length;
        int order;
    };
    for (const float side : {-1.0f, 1.0f}) {
        const float hilum_x = side * (chest.mediastinum + 1.3f), hilum_y = side < 0 ? -1.6f : -2.4f; // the left hilum is higher
        std::vector<branch> open;
        for (const float angle : {-1.15f, -0.55f, 0.05f, 0.6f, 1.2f}) {
            const float towards = angle + draw.uniform(-0.15f, 0.15f);
            open.push_back({{hilum_x, hilum_y}, side < 0 ? std::numbers::pi_v<float> - towards : towards, draw.uniform(0.55f, 0.72f),
                            draw.uniform(1.8f, 2.7f), 0});
        }
        while (!open.empty()) {
            const branch b = open.back();
            open.pop_back();
            const point to{b.from.x + b.length * std::cos(b.angle), b.from.y + b.length * std::sin(b.angle)};
            vessels.push_back({{b.from, to}, b.radius});
            if (b.order == 5) continue;
            for (const float turn : {-1.0f, 1.0f})
                open.push_back({to, b.angle + turn * draw.uniform(0.15f, 0.55f), 0.79f * b.radius,
                                b.length * draw.uniform(0.65f, 0.9f), b.order + 1});
        }
    }
    return vessels;
}

} // namespace umsrep::sim
