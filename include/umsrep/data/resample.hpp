// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/data/pixel_changes.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Along one axis, the input pixels that make each output pixel and their weights, which sum to 1: the mean over the area that the
/// output pixel covers when the axis shrinks, linear interpolation between pixel centres when it grows.
class axis_filter {
public:
    struct window {
        int first;
        std::span<const float> weights;
    };

    axis_filter(int in, int out) {
        const double scale = static_cast<double>(in) / out;
        for (int i = 0; i < out; ++i) {
            if (scale > 1) {
                add_area(i * scale, std::min((i + 1) * scale, static_cast<double>(in)));
            } else {
                add_line(std::clamp((i + 0.5) * scale - 0.5, 0.0, in - 1.0));
            }
        }
    }

    int size() const { return static_cast<int>(windows_.size()); }
    window operator[](int i) const {
        const auto& w = windows_[static_cast<std::size_t>(i)];
        return {w.first, std::span{weights_}.subspan(w.begin, w.count)};
    }

private:
    struct stored {
        int first;
        std::size_t begin, count;
    };

    void add_area(double begin, double end) {
        const int first = static_cast<int>(begin);
        const int last = static_cast<int>(std::ceil(end)) - 1;
        windows_.push_back({first, weights_.size(), static_cast<std::size_t>(last - first + 1)});
        for (int x = first; x <= last; ++x) {
            weights_.push_back(
                static_cast<float>((std::min(end, x + 1.0) - std::max(begin, static_cast<double>(x))) / (end - begin)));
        }
    }

    void add_line(double position) {
        const int first = static_cast<int>(position);
        const auto fraction = static_cast<float>(position - first);
        windows_.push_back({first, weights_.size(), fraction > 0 ? std::size_t{2} : std::size_t{1}});
        weights_.push_back(1 - fraction);
        if (fraction > 0) weights_.push_back(fraction);
    }

    std::vector<stored> windows_;
    std::vector<float> weights_;
};

/// Weighs values against each other; a handful of distinct ones at most.
class ballot {
public:
    void clear() { votes_.clear(); }
    void add(float value, float weight) {
        for (auto& [known, sum] : votes_) {
            if (known == value) {
                sum += weight;
                return;
            }
        }
        votes_.emplace_back(value, weight);
    }
    float winner() const {
        constexpr float tie = 1e-5f; // weights are sums of rounded products
        auto best = votes_.front();
        for (const auto& vote : votes_) {
            if (vote.second > best.second + tie || (vote.second > best.second - tie && vote.first > best.first)) best = vote;
        }
        return best.first;
    }

private:
    std::vector<std::pair<float, float>> votes_;
};

/// (C, H, W) -> (C, height, width), stretched. A constant image stays constant; the mean is kept when both axes shrink.
/// Throws option_error unless both extents are positive.
inline tensor resized(const tensor& from, int height, int width, resampling how = resampling::average) {
    const shape s = shape_of(from);
    if (height <= 0 || width <= 0 || s.h == 0 || s.w == 0) {
        throw option_error("resize", "positive heights and widths", std::to_string(height) + " x " + std::to_string(width));
    }
    if (height == s.h && width == s.w) return from;
    const axis_filter rows{s.h, height}, columns{s.w, width};
    tensor to = uninitialized({s.c, height, width});
    float* out = to.data();

    if (how == resampling::vote) {
        ballot votes;
        for (int c = 0; c < s.c; ++c) {
            for (int y = 0; y < height; ++y) {
                for (int x = 0; x < width; ++x) {
                    votes.clear();
                    const auto row = rows[y], column = columns[x];
                    for (std::size_t i = 0; i < row.weights.size(); ++i) {
                        const float* in =
                            from.data() + (std::ptrdiff_t{c} * s.h + row.first + static_cast<int>(i)) * s.w + column.first;
                        for (std::size_t j = 0; j < column.weights.size(); ++j)
                            votes.add(in[j], row.weights[i] * column.weights[j]);
                    }
                    *out++ = votes.winner();
                }
            }
        }
        return to;
    }

    std::vector<float> narrowed(static_cast<std::size_t>(s.h) * static_cast<std::size_t>(width));
    for (int c = 0; c < s.c; ++c) {
        const float* in = from.data() + c * s.plane();
        float* narrow = narrowed.data();
        for (int y = 0; y < s.h; ++y, in += s.w) {
            for (int x = 0; x < width; ++x) {
                const auto column = columns[x];
                float sum = 0;
                for (std::size_t j = 0; j < column.weights.size(); ++j)
                    sum += column.weights[j] * in[column.first + static_cast<int>(j)];
                *narrow++ = sum;
            }
        }
        for (int y = 0; y < height; ++y, out += width) {
            const auto row = rows[y];
            std::fill_n(out, width, 0.0f);
            for (std::size_t i = 0; i < row.weights.size(); ++i) {
                const float* line = narrowed.data() + std::ptrdiff_t{row.first + static_cast<int>(i)} * width;
                for (int x = 0; x < width; ++x) out[x] += row.weights[i] * line[x];
            }
        }
    }
    return to;
}

/// The image seen through the map, of the same shape; bilinear, or by vote of the four neighbours. Beyond the border the border's
/// pixels go on.
inline tensor warped(const tensor& from, const affine_map& map, resampling how = resampling::average) {
    const shape s = shape_of(from);
    tensor to = uninitialized(s);
    ballot votes;
    for (int y = 0; y < s.h; ++y) {
        for (int x = 0; x < s.w; ++x) {
            const double cx = x - 0.5 * (s.w - 1), cy = y - 0.5 * (s.h - 1);
            const double px = std::clamp(map.xx * cx + map.xy * cy + map.x0 + 0.5 * (s.w - 1), 0.0, s.w - 1.0);
            const double py = std::clamp(map.yx * cx + map.yy * cy + map.y0 + 0.5 * (s.h - 1), 0.0, s.h - 1.0);
            const int left = static_cast<int>(px), top = static_cast<int>(py);
            const int right = std::min(left + 1, s.w - 1), bottom = std::min(top + 1, s.h - 1);
            const auto fx = static_cast<float>(px - left), fy = static_cast<float>(py - top);
            for (int c = 0; c < s.c; ++c) {
                const float* in = from.data() + c * s.plane();
                const float* upper = in + std::ptrdiff_t{top} * s.w;
                const float* lower = in + std::ptrdiff_t{bottom} * s.w;
                float& out = to.data()[c * s.plane() + std::ptrdiff_t{y} * s.w + x];
                if (how == resampling::average) {
                    out = (1 - fy) * ((1 - fx) * upper[left] + fx * upper[right]) +
                          fy * ((1 - fx) * lower[left] + fx * lower[right]);
                } else {
                    votes.clear();
                    votes.add(upper[left], (1 - fy) * (1 - fx));
                    votes.add(upper[right], (1 - fy) * fx);
                    votes.add(lower[left], fy * (1 - fx));
                    votes.add(lower[right], fy * fx);
                    out = votes.winner();
                }
            }
        }
    }
    return to;
}

} // namespace umsrep::data
