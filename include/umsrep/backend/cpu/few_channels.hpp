// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/direct_plan.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Convolutions between a value in blocks and one of so few channels that it is stored dense: a network's first layer, a head's last one. They
/// do little with what they read, so each goes through the blocks once: they are read as they are stored, and large ones are written past the caches.
///
/// Pixel m of the blocks sees the few planes at m step + shift of each tap, whichever side of the map is which. The way from the blocks to the
/// planes is here for 1x1 windows; others take the direct kernels.
namespace umsrep::cpu_ops {

inline constexpr int few_window = 256;        ///< values of a window, taps times channels, at most
inline constexpr int few_window_of_pass = 64; ///< ... of a pass: beyond it the arithmetic counts, and the direct kernels do it faster
inline constexpr int projected_blocks = 64;   ///< of the blocks that a 1x1 window adds up

constexpr bool has_few_channels(shape s) { return s.c < 8; }
constexpr bool is_pointwise(const correlation& map) {
    return map.kernel == extent{1} && map.stride == extent{1} && map.padding == extent{0};
}

struct few_channels_plan {
    shape few{}, many{};
    bool few_are_narrow = false;
    direct_axis y{}, x{}; ///< results: of the blocks, source: of the planes
    int taps = 1, batch = 1, workers = 1;

    constexpr int window() const { return few.c * taps; }
    constexpr int blocks() const { return blocks_of(many.c); }
    constexpr int rows(int results) const { return (results - 1) * y.in_step + y.last_shift() - y.first_shift() + 1; }
    constexpr int columns() const { return (many.w - 1) * x.in_step + x.last_shift() - x.first_shift() + 1; }
    /// No tap leaves the planes.
    constexpr bool is_inside() const {
        return y.first_shift() >= 0 && y.first_shift() + rows(many.h) <= few.h && x.first_shift() >= 0 && x.first_shift() + columns() <= few.w;
    }
    /// Rows of both follow each other in the same way: several are one long one.
    constexpr bool is_one_row() const {
        return x.in_step == 1 && columns() == many.w && columns() == few.w && rows(many.h) == many.h && is_inside();
    }
    constexpr std::ptrdiff_t packed() const { return std::ptrdiff_t{few.c} * rows(rows_of_band(many)) * columns(); }
    /// Of a thread: planes, and a row of a block.
    constexpr std::ptrdiff_t worker() const { return (packed() + lanes - 1) / lanes * lanes + std::ptrdiff_t{many.w} * lanes; }
    constexpr int bands() const { return batch * bands_of(many); }
    constexpr std::ptrdiff_t weights() const { return std::ptrdiff_t{blocks()} * window() * lanes; }
    /// Parts of a sum over all pixels. They bound the memory, and do not depend on the threads.
    constexpr int sums() const {
        return static_cast<int>(std::min<std::ptrdiff_t>(bands(), std::clamp<std::ptrdiff_t>((1 << 20) / weights(), 1, 64)));
    }
    /// Of weight number `i` of the window to channel `c` of the blocks.
    constexpr std::ptrdiff_t weight_index(int i, int c) const {
        return few_are_narrow ? (std::ptrdiff_t{i / taps} * many.c + c) * taps + i % taps : std::ptrdiff_t{c} * window() + i;
    }
};

constexpr few_channels_plan plan_few_channels(const correlation& c, int threads) {
    few_channels_plan p;
    p.few_are_narrow = has_few_channels(c.narrow);
    p.few = p.few_are_narrow ? c.narrow : c.wide;
    p.many = p.few_are_narrow ? c.wide : c.narrow;
    p.y = {p.many.h, p.few.h, 1, p.few_are_narrow ? 1 : c.stride.h, c.kernel.h, c.padding.h, c.dilation.h, p.few_are_narrow};
    p.x = {p.many.w, p.few.w, 1, p.few_are_narrow ? 1 : c.stride.w, c.kernel.w, c.padding.w, c.dilation.w, p.few_are_narrow};
    p.taps = c.taps();
    p.batch = c.batch;
    p.workers = threads;
    return p;
}

/// Whether the gradient of the weights is found here.
constexpr bool suits_few_channels(const correlation& map) {
    if (map.groups != 1 || has_few_channels(map.wide) == has_few_channels(map.narrow)) return false;
    const bool few_are_narrow = has_few_channels(map.narrow);
    const shape many = few_are_narrow ? map.wide : map.narrow;
    return !stored_dense(many) && (!few_are_narrow || map.stride == extent{1}) && (few_are_narrow ? map.narrow.c : map.wide.c) * map.taps() <= few_window;
}

/// Whether a pass of the map, or of its adjoint, is done here.
constexpr bool suits_few_channels(const correlation& map, bool adjoint) {
    if (!suits_few_channels(map)) return false;
    const few_channels_plan p = plan_few_channels(map, 1);
    if (p.few_are_narrow == adjoint) return p.window() <= few_window_of_pass;
    return is_pointwise(map) && p.blocks() <= projected_blocks;
}

/// Of all passes that are done here.
constexpr std::ptrdiff_t few_channels_workspace(const correlation& map, int threads) {
    const few_channels_plan p = plan_few_channels(map, threads);
    workspace_cursor pass, sums;
    pass.take(p.blocks() * lanes);
    pass.take(p.weights());
    pass.take(p.workers * p.worker());
    sums.take(p.sums() * p.weights());
    sums.take(p.workers * p.worker());
    return std::max(pass.used(), sums.used());
}

/// Rows of statistics that a pass fills.
constexpr int few_channels_statistics_rows(const correlation& map) { return plan_few_channels(map, 1).bands(); }

namespace detail {

/// The planes that rows [first, first + rows) of the blocks see: where they lie when every value that is read is there, and as it is read,
/// else a copy, padded and read through. The offsets of a window's values belong to either.
class few_planes {
public:
    few_planes(const kernel_table& k, const few_channels_plan& p, const part<const float>& value, float* copy)
        : k_{k}, p_{p}, value_{value}, copy_{copy}, in_place_{p.is_inside() && value.norm == nullptr && !value.relu} {
        window.step = p.x.in_step;
        window.offset = offset_.data();
        window.count = p.window();
        row_ = in_place_ ? p.few.w : p.columns();
        const std::ptrdiff_t plane = in_place_ ? p.few.plane() : p.rows(rows_of_band(p.many)) * row_;
        for (int i = 0; i < window.count; ++i) {
            const int ty = i % p.taps / p.x.taps, tx = i % p.x.taps;
            offset_[static_cast<std::size_t>(i)] = i / p.taps * plane + (p.y.shift(0, ty) - p.y.first_shift()) * row_ + p.x.shift(0, tx) - p.x.first_shift();
        }
    }
    few_planes(const few_planes&) = delete;
    few_planes& operator=(const few_planes&) = delete;

    /// Rows [first, first + rows) of the blocks come next.
    void go_to(int sample, int first, int rows) {
        const int y = first * p_.y.in_step + p_.y.first_shift();
        first_ = first;
        if (in_place_) {
            begin_ = value_.data + sample * p_.few.size() + std::ptrdiff_t{y} * p_.few.w + p_.x.first_shift();
            return;
        }
        begin_ = copy_;
        const int read = p_.rows(rows);
        const std::ptrdiff_t plane = p_.rows(rows_of_band(p_.many)) * row_;
        for (int c = 0; c < p_.few.c; ++c)
            for (int r = 0; r < read; ++r) copy_row(sample, c, y + r, copy_ + c * plane + r * row_);
    }
    const plane_window& at(int y) {
        window.planes = begin_ + std::ptrdiff_t{y - first_} * p_.y.in_step * row_;
        return window;
    }

private:
    void copy_row(int sample, int c, int y, float* to) const {
        const int from = p_.x.first_shift(), columns = p_.columns();
        const int begin = std::clamp(-from, 0, columns), end = std::clamp(p_.few.w - from, begin, columns);
        if (y < 0 || y >= p_.few.h) {
            std::fill(to, to + columns, 0.0f);
            return;
        }
        std::fill(to, to + begin, 0.0f);
        std::fill(to + end, to + columns, 0.0f);
        const float* const in = value_.data + sample * p_.few.size() + c * p_.few.plane() + std::ptrdiff_t{y} * p_.few.w + from;
        alignas(64) float scale[lanes], shift[lanes];
        map_row m;
        m.x = in + begin;
        m.as_x.relu = value_.relu;
        if (value_.norm != nullptr) {
            const norm_state<const float> state(value_.norm, p_.few.c);
            std::fill(scale, scale + lanes, state.scale[c]);
            std::fill(shift, shift + lanes, state.shift[c]);
            m.as_x.scale = scale;
            m.as_x.shift = shift;
        }
        m.out = to + begin;
        m.size = end - begin;
        k_.rows->identity(m);
    }

    const kernel_table& k_;
    const few_channels_plan& p_;
    const part<const float>& value_;
    float* copy_;
    bool in_place_;
    std::ptrdiff_t row_ = 0;
    const float* begin_ = nullptr;
    int first_ = 0;
    plane_window window;
    std::array<std::ptrdiff_t, few_window> offset_;
};

/// From the planes to the blocks.
inline void few_to_many(const kernel_table& k, const pass& c, const few_channels_plan& p, const float* bias, float* weights, float* copies) {
    for (int b = 0; b < p.blocks(); ++b)
        for (int i = 0; i < p.window(); ++i)
            for (int l = 0; l < lanes; ++l)
                weights[(std::ptrdiff_t{b} * p.window() + i) * lanes + l] = b * lanes + l < p.many.c ? c.weight[p.weight_index(i, b * lanes + l)] : 0.0f;
    const bool streams = p.batch * stored_elements(p.many) >= streamed_elements;
    const int bands = bands_of(p.many), band = rows_of_band(p.many);
    c.pool->run(p.bands(), [&](int task, int worker) {
        const int sample = task / bands, first = task % bands * band, last = std::min(p.many.h, first + band);
        const int rows = p.is_one_row() ? last - first : 1;
        few_planes planes(k, p, c.in[0], copies + worker * p.worker());
        planes.go_to(sample, first, last - first);
        for (int b = 0; b < p.blocks(); ++b) {
            const located<float> sink = locate(c.out, sample, b);
            if (sink.plane == nullptr) continue;
            const auto of_block = [&](const float* all) { return all == nullptr ? nullptr : all + b * lanes; };
            output_reading o;
            o.bias = of_block(bias);
            o.then = {of_block(c.then.scale), of_block(c.then.shift), c.then.relu};
            o.accumulate = sink.accumulate;
            o.stream = streams;
            if (c.statistics != nullptr) {
                o.statistics = c.statistics + std::ptrdiff_t{task} * p.blocks() + b;
                o.statistics->count = 0;
            }
            for (int y = first; y < last; y += rows)
                k.rows->from_planes(planes.at(y), weights + std::ptrdiff_t{b} * p.window() * lanes, rows * p.many.w, o,
                                    sink.plane + std::ptrdiff_t{y} * p.many.w * lanes);
        }
    });
}

/// A row of a gradient behind the backward pass of a norm, from element `at` of its block on: in its place where it is read again, else in `copy`.
inline const float* finish_gradient(const kernel_table& k, const pending_norm& pending, shape s, int sample, int block, std::ptrdiff_t at, float* copy) {
    const norm_state<const float> state(pending.state, s.c);
    float* const gradient = block_plane(pending.gradient, s, sample, block) + at;
    norm_row r;
    r.z = block_plane(pending.z, s, sample, block) + at;
    r.dy = gradient;
    r.pixels = s.w;
    r.mean = state.mean + block * lanes;
    r.forward = {state.scale + block * lanes, state.shift + block * lanes, pending.relu};
    float* const out = pending.wanted ? gradient : copy;
    k.norm_gradient(r, state.coefficients + block * 3 * lanes, out, false);
    return out;
}

/// From the blocks to the planes, pixel by pixel.
inline void many_to_few(const kernel_table& k, const pass& c, const few_channels_plan& p, float* weights) {
    for (int f = 0; f < p.few.c; ++f)
        for (int m = 0; m < p.blocks() * lanes; ++m)
            weights[std::ptrdiff_t{f} * p.blocks() * lanes + m] = m < p.many.c ? c.weight[p.weight_index(f, m)] : 0.0f;
    const int bands = bands_of(p.many), band = rows_of_band(p.many);
    c.pool->run(p.bands(), [&](int task) {
        const int sample = task / bands, first = task % bands * band, last = std::min(p.many.h, first + band);
        const std::ptrdiff_t at = std::ptrdiff_t{first} * p.many.w;
        block_row rows[projected_blocks];
        for (int b = 0; b < p.blocks(); ++b) {
            const located<const float> in = locate(c.in, sample, b);
            rows[b] = {in.plane + at * lanes, in.as};
        }
        projected_row r;
        r.blocks = rows;
        r.count = p.blocks();
        r.pixels = (last - first) * p.many.w;
        r.weights = weights;
        r.results = p.few.c;
        r.bias = c.bias;
        r.then = c.then;
        r.out = c.out[0].data + sample * p.few.size() + at;
        r.plane = p.few.plane();
        r.accumulate = c.out[0].accumulate;
        k.rows->to_planes(r);
    });
}

} // namespace detail

inline void few_channels_pass(const kernel_table& k, const pass& c) {
    const few_channels_plan p = plan_few_channels(c.map, c.pool->threads());
    workspace_cursor cursor(c.workspace);
    if (p.few_are_narrow != c.adjoint) return detail::many_to_few(k, c, p, cursor.take(p.weights()));
    const float* const bias = padded_bias(c.bias, p.many.c, cursor.take(p.blocks() * lanes));
    float* const weights = cursor.take(p.weights());
    detail::few_to_many(k, c, p, bias, weights, cursor.take(0));
}

/// Gradient of the weights: sums over bands of rows, added in double, in order.
inline void few_channels_weights(const kernel_table& k, const weight_pass& c) {
    const few_channels_plan p = plan_few_channels(c.map, c.pool->threads());
    const parts<const float>& few = p.few_are_narrow ? c.narrow : c.wide;
    const parts<const float>& many = p.few_are_narrow ? c.wide : c.narrow;
    workspace_cursor cursor(c.workspace);
    float* const sums = cursor.take(p.sums() * p.weights());
    float* const copies = cursor.take(0);
    const int bands = bands_of(p.many), band = rows_of_band(p.many), merged = p.is_one_row() && c.pending == nullptr ? band : 1;
    c.pool->run(p.sums(), [&](int task, int worker) {
        float* const mine = sums + task * p.weights();
        std::fill_n(mine, p.weights(), 0.0f);
        float* const copy = copies + worker * p.worker();
        detail::few_planes planes(k, p, few[0], copy);
        float* const row_copy = copy + p.worker() - std::ptrdiff_t{p.many.w} * lanes;
        const share range(p.bands(), p.sums(), task);
        for (int i = range.begin; i < range.end; ++i) {
            const int sample = i / bands, first = i % bands * band, last = std::min(p.many.h, first + band);
            planes.go_to(sample, first, last - first);
            for (int b = 0; b < p.blocks(); ++b)
                for (int y = first; y < last; y += merged) {
                    const std::ptrdiff_t at = std::ptrdiff_t{y} * p.many.w * lanes;
                    const located<const float> in = locate(many, sample, b);
                    const float* const row = c.pending != nullptr ? detail::finish_gradient(k, *c.pending, p.many, sample, b, at, row_copy) : in.plane + at;
                    k.rows->plane_products(planes.at(y), row, in.as, std::min(merged, last - y) * p.many.w, mine + std::ptrdiff_t{b} * p.window() * lanes);
                }
        }
    });
    c.pool->run(p.blocks(), [&](int b) {
        const int used = std::min(lanes, p.many.c - b * lanes);
        for (int i = 0; i < p.window(); ++i) {
            double total[lanes] = {};
            for (int part = 0; part < p.sums(); ++part) {
                const float* const sum = sums + part * p.weights() + (std::ptrdiff_t{b} * p.window() + i) * lanes;
                for (int l = 0; l < lanes; ++l) total[l] += static_cast<double>(sum[l]);
            }
            for (int l = 0; l < used; ++l) c.gradient[p.weight_index(i, b * lanes + l)] = static_cast<float>(total[l]);
        }
    });
}

} // namespace umsrep::cpu_ops
