// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>
#include <umsrep/backend/cpu/direct_plan.hpp>

/// What the direct kernels read: where it lies, or packed where that is not as they need it.
namespace umsrep::cpu_ops {

/// Packs rows [first, first + rows) of a sample's source, from column `from` on: zeros outside, deferred norms applied.
inline void pack_rows(const kernel_table& k, const parts<const float>& source, shape s, int sample, int block, int first, int rows, int from,
                      int columns, int pixel, float* out) {
    const bool dense = stored_dense(s);
    const int inside_begin = std::clamp(-from, 0, columns), inside_end = std::clamp(s.w - from, inside_begin, columns);
    for (int r = 0; r < rows; ++r) {
        float* const row = out + std::ptrdiff_t{r} * columns * pixel;
        const int y = first + r;
        if (y < 0 || y >= s.h || inside_begin == inside_end) {
            std::fill(row, row + std::ptrdiff_t{columns} * pixel, 0.0f);
            continue;
        }
        std::fill(row, row + std::ptrdiff_t{inside_begin} * pixel, 0.0f);
        std::fill(row + std::ptrdiff_t{inside_end} * pixel, row + std::ptrdiff_t{columns} * pixel, 0.0f);
        if (!dense) {
            const located<const float> in = locate(source, sample, block);
            k.read_row(in.plane + (std::ptrdiff_t{y} * s.w + from + inside_begin) * lanes, inside_end - inside_begin, in.as,
                       row + std::ptrdiff_t{inside_begin} * pixel, false);
            continue;
        }
        const part<const float>& p = source[0];
        const reading as = reading_of(p, block);
        const int channels = std::min(pixel, s.c - block * lanes);
        for (int c = 0; c < pixel; ++c) {
            const float* const in = p.data + sample * s.size() + (std::ptrdiff_t{block} * lanes + c) * s.plane() + std::ptrdiff_t{y} * s.w + from;
            for (int x = inside_begin; x < inside_end; ++x) {
                float v = c < channels ? in[x] : 0.0f;
                if (c < channels && as.scale != nullptr) v = v * as.scale[c] + as.shift[c];
                if (as.relu && v <= 0) v = 0;
                row[std::ptrdiff_t{x} * pixel + c] = v;
            }
        }
    }
}

/// Steps [first, first + count) of a sample, which are made together.
struct direct_band {
    int sample, first, count;
    direct_band(const direct_plan& p, int i)
        : sample{i / p.bands}, first{i % p.bands * p.band}, count{std::min(p.band, p.steps() - first)} {}
};

/// Rows of a source, the first that a band reads and those behind it, from the first column that any tap reads.
struct direct_rows {
    const float* first;
    std::ptrdiff_t row, block; ///< elements between rows, and between blocks of channels
};

/// The source of a plan, band by band.
class direct_source {
public:
    direct_source(const kernel_table& k, const direct_plan& p, const parts<const float>& value, shape s)
        : k_{k}, p_{p}, value_{value}, s_{s},
          as_it_lies_{!stored_dense(s) && value.count == 1 && value[0].norm == nullptr && !value[0].relu && p.y.stays_inside() && p.x.stays_inside()} {}

    direct_rows read(const direct_band& b, float* packed) const {
        if (as_it_lies_)
            return {block_plane(value_[0].data, s_, b.sample, 0) + (std::ptrdiff_t{first_row(b)} * s_.w + p_.x.first_shift()) * lanes,
                    std::ptrdiff_t{s_.w} * lanes, s_.plane() * lanes};
        for (int block = 0; block < p_.in; ++block)
            pack_rows(k_, value_, s_, b.sample, block, first_row(b), rows(b), p_.x.first_shift(), p_.columns(), p_.pixel(), packed + block * p_.packed_block());
        return {packed, p_.packed_row(), p_.packed_block()};
    }

    /// The memory that `read` of a band reads.
    ahead memory(const direct_band& b) const {
        if (stored_dense(s_) || value_.count > 1) return {};
        const int begin = std::max(0, first_row(b)), end = std::min(s_.h, first_row(b) + rows(b));
        if (begin >= end) return {};
        return {block_plane(value_[0].data, s_, b.sample, 0) + std::ptrdiff_t{begin} * s_.w * lanes, (end - begin) * s_.w, p_.in, s_.plane() * lanes};
    }

private:
    int first_row(const direct_band& b) const { return b.first * p_.y.in_step + p_.y.first_shift(); }
    int rows(const direct_band& b) const { return (b.count - 1) * p_.y.in_step + p_.rows_of_step(); }

    const kernel_table& k_;
    const direct_plan& p_;
    const parts<const float>& value_;
    shape s_;
    bool as_it_lies_;
};

/// The memory that the products of one band fetch for the next, in two stretches: each of so many calls its part.
class fetched_by_calls {
public:
    fetched_by_calls() = default;
    fetched_by_calls(const ahead& first, const ahead& second, int calls) : memory_{first, second} {
        const std::ptrdiff_t lines = std::ptrdiff_t{first.lines} * first.blocks, all = lines + std::ptrdiff_t{second.lines} * second.blocks;
        memory_[0].parts = all == 0 ? 0 : static_cast<int>(calls * lines / all);
        memory_[1].parts = all == 0 ? 0 : calls - memory_[0].parts;
    }
    ahead next_call() {
        for (ahead& m : memory_) {
            if (m.part == m.parts) continue;
            const ahead mine = m;
            ++m.part;
            return mine;
        }
        return {};
    }

private:
    ahead memory_[2] = {{.parts = 0}, {.parts = 0}};
};

} // namespace umsrep::cpu_ops
