// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <umsrep/backend/cpu/kernel/table.hpp>
#include <umsrep/backend/operands.hpp>

/// How the CPU backend stores an activation: in blocks of 16 channels, (N, ceil(C / 16), H, W, 16), lanes beyond the last channel zero.
/// What has fewer than 8 channels, or one pixel, stays dense, (N, C, H, W): images, masks, logits, pooled features.
namespace umsrep::cpu_ops {

constexpr int blocks_of(int channels) { return (channels + lanes - 1) / lanes; }
constexpr bool stored_dense(shape s) { return s.c < 8 || s.plane() == 1; }
constexpr std::ptrdiff_t stored_elements(shape s) { return stored_dense(s) ? s.size() : blocks_of(s.c) * lanes * s.plane(); }

/// First element of a block of a sample of a blocked activation.
template <class T>
T* block_plane(T* data, shape s, int sample, int block) {
    return data + sample * stored_elements(s) + block * s.plane() * lanes;
}

/// The state of a batch-norm: mean, 1 / deviation, scale and shift, each in whole blocks, and three coefficients of its gradient for each block. A reader
/// computes x scale + shift.
constexpr std::ptrdiff_t norm_state_size(int channels) { return std::ptrdiff_t{7} * blocks_of(channels) * lanes; }
template <class T>
struct norm_state {
    T *mean, *rstd, *scale, *shift, *coefficients;
    norm_state(T* state, int channels)
        : mean{state}, rstd{state + blocks_of(channels) * lanes}, scale{rstd + blocks_of(channels) * lanes}, shift{scale + blocks_of(channels) * lanes},
          coefficients{shift + blocks_of(channels) * lanes} {}
};

/// How a block of a part is read.
template <class T>
reading reading_of(const part<T>& p, int block) {
    if (p.norm == nullptr) return {nullptr, nullptr, p.relu};
    const norm_state<const float> s(p.norm, p.s.c);
    return {s.scale + block * lanes, s.shift + block * lanes, p.relu};
}

/// A block of a sample of a value, wherever it is stored.
template <class T>
struct located {
    T* plane = nullptr;
    reading as{};
    bool accumulate = false;
};

/// A value or gradient that lies in one part, read and written as it is.
template <class T>
parts<T> whole(T* data, shape s) {
    parts<T> p;
    p.count = 1;
    p[0].data = data;
    p[0].s = s;
    return p;
}

/// Finds block `block` of a value or gradient that may be in two blocked parts; no plane where that part is unwanted.
template <class T>
located<T> locate(const parts<T>& value, int sample, int block) {
    int i = 0;
    if (const int first = blocks_of(value.p[0].s.c); block >= first) {
        block -= first;
        i = 1;
    }
    const part<T>& p = value.p[static_cast<std::size_t>(i)];
    if (p.data == nullptr) return {};
    return {block_plane(p.data, p.s, sample, block), reading_of(p, block), p.accumulate};
}

/// Whole value (N, C, H, W) from blocks: `dense` of sample `n`, channels of all parts one after another, read as the parts say.
inline void gather_dense(const parts<const float>& value, int sample, float* dense) {
    for (int i = 0; i < value.count; ++i) {
        const part<const float>& p = value.p[static_cast<std::size_t>(i)];
        const std::ptrdiff_t plane = p.s.plane();
        const bool is_dense = stored_dense(p.s);
        for (int c = 0; c < p.s.c; ++c, dense += plane) {
            const float* in = is_dense ? p.data + sample * p.s.size() + c * plane : block_plane(p.data, p.s, sample, c / lanes) + c % lanes;
            const std::ptrdiff_t step = is_dense ? 1 : lanes;
            float scale = 1, shift = 0;
            if (p.norm != nullptr) {
                const norm_state<const float> s(p.norm, p.s.c);
                scale = s.scale[c];
                shift = s.shift[c];
            }
            for (std::ptrdiff_t x = 0; x < plane; ++x) {
                float v = in[x * step];
                if (p.norm != nullptr) v = v * scale + shift;
                if (p.relu && v <= 0) v = 0;
                dense[x] = v;
            }
        }
    }
}

/// The way back: the dense value of a sample to where it is stored, added where the part accumulates.
inline void scatter_dense(const float* dense, const parts<float>& value, int sample) {
    for (int i = 0; i < value.count; ++i) {
        const part<float>& p = value.p[static_cast<std::size_t>(i)];
        const std::ptrdiff_t plane = p.s.plane();
        const bool is_dense = stored_dense(p.s);
        const int stored = p.data == nullptr ? 0 : is_dense ? p.s.c : blocks_of(p.s.c) * lanes; // a part may be unwanted
        for (int c = 0; c < stored; ++c) {
            float* out = is_dense ? p.data + sample * p.s.size() + c * plane : block_plane(p.data, p.s, sample, c / lanes) + c % lanes;
            const std::ptrdiff_t step = is_dense ? 1 : lanes;
            for (std::ptrdiff_t x = 0; x < plane; ++x) {
                const float v = c < p.s.c ? dense[c * plane + x] : 0.0f;
                out[x * step] = p.accumulate ? out[x * step] + v : v;
            }
        }
        dense += p.s.size();
    }
}

} // namespace umsrep::cpu_ops
