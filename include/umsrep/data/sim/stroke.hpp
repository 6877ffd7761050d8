// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace umsrep::sim {

struct point {
    float x = 0, y = 0;
};

/// Rasterises thick polylines on a square image: ribs, clavicles, vessels.
class stroke {
public:
    explicit stroke(int size) : size_{size}, nearest_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size), far) {}

    /// Calls `visit(pixel, distance)` once for each pixel whose centre is less than `radius` away from the line. All in pixels; the
    /// centre of the first pixel is (0.5, 0.5). Parts outside of the image are left out.
    template <class Visit>
    void paint(std::span<const point> line, float radius, Visit&& visit) {
        for (std::size_t i = 1; i < line.size(); ++i) segment(line[i - 1], line[i], radius);
        for (const std::size_t pixel : touched_) {
            visit(pixel, std::sqrt(nearest_[pixel]));
            nearest_[pixel] = far;
        }
        touched_.clear();
    }

private:
    static constexpr float far = std::numeric_limits<float>::infinity();

    void segment(point a, point b, float radius) {
        const auto first = [&](float v) { return std::max(0, static_cast<int>(std::floor(v - radius))); };
        const auto last = [&](float v) { return std::min(size_ - 1, static_cast<int>(std::floor(v + radius))); };
        const float dx = b.x - a.x, dy = b.y - a.y;
        const float per_length = 1.0f / std::max(dx * dx + dy * dy, 1e-12f);
        for (int row = first(std::min(a.y, b.y)); row <= last(std::max(a.y, b.y)); ++row) {
            for (int column = first(std::min(a.x, b.x)); column <= last(std::max(a.x, b.x)); ++column) {
                const float px = static_cast<float>(column) + 0.5f - a.x, py = static_cast<float>(row) + 0.5f - a.y;
                const float along = std::clamp((px * dx + py * dy) * per_length, 0.0f, 1.0f);
                const float ox = px - along * dx, oy = py - along * dy, squared = ox * ox + oy * oy;
                if (squared >= radius * radius) continue;
                const auto pixel = static_cast<std::size_t>(row) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(column);
                if (nearest_[pixel] == far) touched_.push_back(pixel);
                nearest_[pixel] = std::min(nearest_[pixel], squared);
            }
        }
    }

    int size_;
    std::vector<float> nearest_; // squared distance to the line being painted
    std::vector<std::size_t> touched_;
};

} // namespace umsrep::sim
