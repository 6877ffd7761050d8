// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/instruction_set.hpp>
#include <umsrep/backend/cpu/layout.hpp>
#include <umsrep/core/thread_pool.hpp>

namespace umsrep::cpu_ops {

/// The linear map behind convolutions and transposed convolutions: narrow[k, y, x] = sum over c, i, j of
/// weight[k, c, i, j] wide[c, y stride - padding + i dilation, ...]. A convolution's forward is the map, its backward the adjoint; a transposed
/// convolution's the other way round.
struct correlation {
    shape wide{}, narrow{};
    extent kernel{1}, stride{1}, padding{0}, dilation{1};
    int groups = 1, batch = 1;

    constexpr int taps() const { return kernel.h * kernel.w; }
    constexpr std::ptrdiff_t weights() const { return std::ptrdiff_t{narrow.c} * (wide.c / groups) * taps(); }
};

constexpr correlation correlation_of(const node& n, int batch) {
    const bool transposed = n.kind == op::conv_transpose;
    return {transposed ? n.out : n.in, transposed ? n.in : n.out, n.a.kernel, n.a.stride, n.a.padding, n.a.dilation, n.a.groups, batch};
}

/// Elements of scratch memory: what all workers share, and what each has for itself.
struct scratch_memory {
    std::ptrdiff_t shared = 0, worker = 0;
};

/// One pass of a correlation from `in` to `out`, or of its adjoint, and what is done to the result while it is at hand.
struct pass {
    correlation map{};
    bool adjoint = false;
    parts<const float> in{};
    parts<float> out{};
    const float* weight = nullptr; ///< (narrow.c, wide.c / groups, kh, kw)
    const float* bias = nullptr;   ///< of the result's channels
    reading then{};                ///< behind the bias: scale and shift in whole blocks, ReLU
    moments* statistics = nullptr; ///< of the result, `statistics_rows` x blocks; null: not wanted
    float* pooled = nullptr;       ///< Winograd's method only: where the largest of each 2 x 2 results go as well, in blocks
    thread_pool* pool = nullptr;
    float* workspace = nullptr;
    worker_memory<float> workers{};

    constexpr shape from() const { return adjoint ? map.narrow : map.wide; }
    constexpr shape to() const { return adjoint ? map.wide : map.narrow; }
};

/// A gradient in memory that is still that of a batch-norm's result, or of the ReLU behind it: who reads it first applies the norm's backward and
/// writes it back.
struct pending_norm {
    float* gradient = nullptr;
    const float* z = nullptr;          ///< the norm's input, of the same shape
    const float* state = nullptr;      ///< of the norm, coefficients included
    bool relu = false;
    bool wanted = true;                ///< whether it is read again: if not, what the norm's backward makes of it need not be written
};

/// Gradient of the weights: `wide` and the gradient of `narrow`, or the other way round; the map is the same.
struct weight_pass {
    correlation map{};
    parts<const float> wide{}, narrow{};
    float* gradient = nullptr; ///< (narrow.c, wide.c / groups, kh, kw), overwritten
    thread_pool* pool = nullptr;
    float* workspace = nullptr;
    worker_memory<float> workers{};
    const pending_norm* pending = nullptr; ///< of narrow; null: narrow is what it should be
};

/// Hands out pieces of the workspace, each beginning on a cache line.
class workspace_cursor {
public:
    constexpr explicit workspace_cursor(float* memory = nullptr) : memory_{memory} {}
    constexpr float* take(std::ptrdiff_t n) {
        float* const piece = memory_ == nullptr ? nullptr : memory_ + used_;
        used_ += (n + lanes - 1) / lanes * lanes;
        return piece;
    }
    constexpr std::ptrdiff_t used() const { return used_; }

private:
    float* memory_;
    std::ptrdiff_t used_ = 0;
};

/// From this size on kernels write results past the caches: those would read all the lines first, only to drop most of them before the next layer comes.
inline constexpr std::ptrdiff_t streamed_elements = std::ptrdiff_t{1} << 19;

/// Bias in whole blocks, so that kernels may read 16 of every block. Null stays null.
inline const float* padded_bias(const float* bias, int channels, float* memory) {
    if (bias == nullptr) return nullptr;
    std::copy_n(bias, channels, memory);
    std::fill(memory + channels, memory + blocks_of(channels) * lanes, 0.0f);
    return memory;
}

/// Part `i` of `parts` nearly equal parts of `total`: [begin, end).
struct share {
    int begin, end;
    constexpr share(int total, int parts_, int i)
        : begin{static_cast<int>(static_cast<std::ptrdiff_t>(total) * i / parts_)},
          end{static_cast<int>(static_cast<std::ptrdiff_t>(total) * (i + 1) / parts_)} {}
    constexpr int size() const { return end - begin; }
};

} // namespace umsrep::cpu_ops
