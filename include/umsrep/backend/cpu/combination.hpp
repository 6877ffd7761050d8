// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/elementwise.hpp>

namespace umsrep::cpu_ops {

/// Input 0 plus input 1, blocked or dense, each deferred or not.
inline void forward_add(const kernel_table& k, const operands<float>& o) {
    map_runs(k.rows->add, o, o.sources[0], o.sources[1], whole(o.out.data, o.n->out));
}

/// Both inputs get the gradient as it is; that of input 0 may already be in its place.
inline void backward_add(const kernel_table& k, const operands<float>& o) {
    const parts<const float> dy = whole(o.grad_out.data, o.n->out);
    for (const std::size_t i : {0u, 1u}) {
        const parts<float>& to = o.sinks[i];
        if (!to || (to[0].data == dy[0].data && !to[0].accumulate)) continue;
        map_runs(k.rows->identity, o, dy, {}, to);
    }
}

/// Whether both inputs of a concatenation, and so its result, are blocked.
inline bool concatenates_blocks(const operands<float>& o) { return !stored_dense(o.in[0].s) && !stored_dense(o.in[1].s); }

namespace detail {

/// Channels `first` and on of block `block` of the result that come from one block of an input.
struct overlap {
    int from = 0;  ///< block of the input
    int lane = 0;  ///< first lane there
    int to = 0;    ///< first lane in the result's block
    int count = 0; ///< lanes
};

/// f(overlap) for the one or two blocks of an input whose channels [begin, begin + channels) of the result meet block `block`.
template <class F>
void for_overlaps(int block, int begin, int channels, F f) {
    const int first = std::max(block * lanes, begin), last = std::min((block + 1) * lanes, begin + channels);
    for (int c = first; c < last;) {
        const int lane = (c - begin) % lanes, count = std::min(lanes - lane, last - c);
        f(overlap{(c - begin) / lanes, lane, c - block * lanes, count});
        c += count;
    }
}

} // namespace detail

/// Channels of input 0, then of input 1, of blocked values. Where input 0 fills its blocks they are copied, else lanes move.
inline void forward_concat(const kernel_table& k, const operands<float>& o) {
    const shape s = o.n->out;
    for_bands(*o.pool, o.out.n, s, [&](int sample, int block, int first, int last) {
        const int pixels = (last - first) * s.w;
        const std::ptrdiff_t at = std::ptrdiff_t{first} * s.w * lanes;
        float* const out = block_plane(o.out.data, s, sample, block) + at;
        if ((block + 1) * lanes > s.c) std::fill(out, out + std::ptrdiff_t{pixels} * lanes, 0.0f);
        for (const int input : {0, 1}) {
            const parts<const float>& source = o.sources[static_cast<std::size_t>(input)];
            detail::for_overlaps(block, input == 0 ? 0 : o.in[0].s.c, o.in[static_cast<std::size_t>(input)].s.c,
                                 [&](const detail::overlap& v) {
                                     const located<const float> in = locate(source, sample, v.from);
                                     if (v.lane == 0 && v.to == 0 && v.count == lanes)
                                         k.read_row(in.plane + at, pixels, in.as, out, false);
                                     else k.rows->move_lanes(in.plane + at, v.lane, in.as, out, v.to, v.count, pixels, false);
                                 });
        }
    });
}

/// Each input gets its channels of the gradient.
inline void backward_concat(const kernel_table& k, const operands<float>& o) {
    for (const int input : {0, 1}) {
        const parts<float>& sink = o.sinks[static_cast<std::size_t>(input)];
        if (!sink) continue;
        const shape s = o.in[static_cast<std::size_t>(input)].s;
        const int begin = input == 0 ? 0 : o.in[0].s.c;
        for_bands(*o.pool, o.out.n, s, [&](int sample, int block, int first, int last) {
            const located<float> to = locate(sink, sample, block);
            if (to.plane == nullptr) return;
            const int pixels = (last - first) * s.w;
            const std::ptrdiff_t at = std::ptrdiff_t{first} * s.w * lanes;
            if (!to.accumulate && (block + 1) * lanes > s.c)
                std::fill(to.plane + at, to.plane + at + std::ptrdiff_t{pixels} * lanes, 0.0f);
            // Seen from this block, the result's channels begin `begin` before it.
            detail::for_overlaps(block, -begin, o.n->out.c, [&](const detail::overlap& v) {
                const float* const dy = block_plane(o.grad_out.data, o.n->out, sample, v.from) + at;
                const int count = std::min(v.count, s.c - (block * lanes + v.to));
                if (v.lane == 0 && v.to == 0 && count == lanes) k.read_row(dy, pixels, {}, to.plane + at, to.accumulate);
                else if (count > 0) k.rows->move_lanes(dy, v.lane, {}, to.plane + at, v.to, count, pixels, to.accumulate);
            });
        });
    }
}

} // namespace umsrep::cpu_ops
