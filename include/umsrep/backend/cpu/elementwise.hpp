// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Elementwise ops do not mind the layout: a value is runs of elements that are read alike, of 16 channels of a blocked one and of one
/// channel of a dense one. Inputs, output and gradients have one shape, so their runs are the same.
namespace umsrep::cpu_ops {

/// Runs of a sample; a dense sample whose channels are all read as they are is a single one.
struct runs_of {
    shape s{};
    bool dense = false;
    int count = 0;
    std::ptrdiff_t size = 0; ///< elements of each

    runs_of(shape s_, bool alike) : s{s_}, dense{stored_dense(s_)} {
        count = !dense ? blocks_of(s.c) : alike ? 1 : s.c;
        size = !dense ? s.plane() * lanes : alike ? s.size() : s.plane();
    }
};

/// A run of a value or gradient. Of a dense channel, holds its scale and shift 16 times.
template <class T>
class run {
public:
    run(const parts<T>& value, const runs_of& r, int sample, int i) {
        if (!r.dense) {
            at_ = locate(value, sample, i);
            return;
        }
        const part<T>& p = value[0]; // a dense value is never in two parts
        if (p.data == nullptr) return;
        at_ = {p.data + sample * r.s.size() + i * r.size, {nullptr, nullptr, p.relu}, p.accumulate};
        if (p.norm == nullptr) return;
        const norm_state<const float> s(p.norm, p.s.c);
        std::fill(scale_, scale_ + lanes, s.scale[i]);
        std::fill(shift_, shift_ + lanes, s.shift[i]);
        at_.as.scale = scale_;
        at_.as.shift = shift_;
    }
    run(const run&) = delete;
    run& operator=(const run&) = delete;
    const located<T>* operator->() const { return &at_; }

private:
    located<T> at_{};
    alignas(64) float scale_[lanes], shift_[lanes];
};

inline bool read_alike(const parts<const float>& value) { return value.count < 2 && value[0].norm == nullptr && !value[0].relu; }

/// to = f(x, y) everywhere, or added to it where it accumulates; `y` may be empty. What is no channel stays 0, whatever f(0) is.
inline void map_runs(void (*f)(const map_row&), const operands<float>& o, const parts<const float>& x,
                     const parts<const float>& y, const parts<float>& to, float value = 0, bool keeps_zero = true) {
    constexpr std::ptrdiff_t task = task_pixels * lanes;
    static_assert(task % lanes == 0);
    const runs_of runs(o.n->out, read_alike(x) && read_alike(y));
    const int pieces = static_cast<int>((runs.size + task - 1) / task);
    alignas(64) float used[lanes];
    for (int l = 0; l < lanes; ++l) used[l] = l < runs.s.c - (runs.count - 1) * lanes ? 1.0f : 0.0f;
    o.pool->run(o.out.n * runs.count * pieces, [&](int i) {
        const int piece = i % pieces, which = i / pieces % runs.count, sample = i / pieces / runs.count;
        const run<float> out(to, runs, sample, which);
        if (out->plane == nullptr) return;
        const std::ptrdiff_t first = piece * task;
        const run<const float> left(x, runs, sample, which);
        map_row m;
        m.x = left->plane + first;
        m.as_x = left->as;
        m.out = out->plane + first;
        m.size = std::min(task, runs.size - first);
        m.accumulate = out->accumulate;
        m.value = value;
        m.lanes_used = !keeps_zero && !runs.dense && which == runs.count - 1 ? used : nullptr;
        if (!y) return f(m);
        const run<const float> right(y, runs, sample, which);
        m.y = right->plane + first;
        m.as_y = right->as;
        f(m);
    });
}

} // namespace umsrep::cpu_ops
