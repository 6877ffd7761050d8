// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include <umsrep/backend/cpu/correlation.hpp>
#include <umsrep/core/error.hpp>

/// Batch-norm on blocked activations. A deferred one only computes its state, scale and shift included; readers do the rest.
/// Statistics come from pieces of the batch, of a size that does not depend on the threads: within a piece sums about one of its values, between
/// pieces in double, in order. Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983.
namespace umsrep::cpu_ops {

/// Pixels of a piece of a plane that one task takes.
inline constexpr int norm_piece = 4096;

struct norm_pieces {
    int blocks = 0, of_plane = 0, samples = 0, plane = 0;
    constexpr norm_pieces(shape s, int batch)
        : blocks{blocks_of(s.c)}, of_plane{static_cast<int>((s.plane() + norm_piece - 1) / norm_piece)}, samples{batch}, plane{static_cast<int>(s.plane())} {}
    constexpr int rows() const { return samples * of_plane; }
    constexpr int tasks() const { return rows() * blocks; }

    /// f(sample, block, first pixel, pixels, task) of a task.
    template <class F>
    void visit(int task, F f) const {
        const int block = task % blocks, piece = task / blocks % of_plane, sample = task / blocks / of_plane, first = piece * norm_piece;
        f(sample, block, first, std::min(norm_piece, plane - first));
    }
};

inline constexpr std::ptrdiff_t moments_elements = sizeof(moments) / sizeof(float);

/// Statistics of every piece; and for the backward pass two sums for each; and room for a piece of values read through.
constexpr std::ptrdiff_t batch_norm_workspace(shape s, int batch, int threads) {
    if (stored_dense(s)) return batch * s.size() + blocks_of(s.c) * moments_elements + 2 * lanes;
    const norm_pieces p(s, batch);
    workspace_cursor size;
    size.take(p.tasks() * moments_elements);
    size.take(std::ptrdiff_t{threads} * norm_piece * lanes);
    return size.used();
}

/// Fills the state, from statistics of `rows` pieces (rows x blocks) or from the running ones, and moves those.
inline void finish_batch_norm(const operands<float>& o, const moments* found, int rows) {
    const int channels = o.n->in.c, blocks = blocks_of(channels);
    const norm_state<float> state(o.state, channels);
    std::fill_n(o.state, norm_state_size(channels), 0.0f);
    for (int c = 0; c < channels; ++c) {
        const std::size_t lane = static_cast<std::size_t>(c % lanes);
        double mean = 0, variance = 0;
        if (o.batch_statistics) {
            const moments* const of_block = found + c / lanes;
            double count = 0;
            for (int r = 0; r < rows; ++r) {
                const moments& m = of_block[std::ptrdiff_t{r} * blocks];
                mean += static_cast<double>(m.origin[lane]) * m.count + static_cast<double>(m.sum[lane]);
                count += m.count;
            }
            mean /= count;
            for (int r = 0; r < rows; ++r) {
                const moments& m = of_block[std::ptrdiff_t{r} * blocks];
                const double sum = static_cast<double>(m.sum[lane]), shift = static_cast<double>(m.origin[lane]) + sum / m.count - mean;
                variance += static_cast<double>(m.square[lane]) - sum * sum / m.count + m.count * shift * shift;
            }
            variance = std::max(0.0, variance / count);
            if (!o.recomputing) {
                const double momentum = o.n->a.momentum;
                const auto move = [&](float& running, double value) {
                    running = static_cast<float>((1 - momentum) * static_cast<double>(running) + momentum * value);
                };
                if (o.running_mean != nullptr) move(o.running_mean[c], mean);
                if (o.running_var != nullptr) move(o.running_var[c], variance * count / (count - 1));
            }
        } else {
            mean = static_cast<double>(o.running_mean[c]);
            variance = static_cast<double>(o.running_var[c]);
        }
        const double rstd = 1 / std::sqrt(variance + o.n->a.value);
        const double scale = o.weight != nullptr ? rstd * static_cast<double>(o.weight[c]) : rstd;
        state.mean[c] = static_cast<float>(mean);
        state.rstd[c] = static_cast<float>(rstd);
        state.scale[c] = static_cast<float>(scale);
        // About the scale as readers have it: of a mean far from zero, its rounding would matter more than that of the result.
        state.shift[c] = static_cast<float>((o.bias != nullptr ? static_cast<double>(o.bias[c]) : 0.0) - mean * static_cast<double>(state.scale[c]));
    }
}

/// A piece of the norm's input: where it lies if it can be used as it is, else a copy read through.
inline const float* norm_input(const kernel_table& k, const parts<const float>& source, int sample, int block, int first, int pixels, float* copy) {
    const located<const float> x = locate(source, sample, block);
    const float* const p = x.plane + std::ptrdiff_t{first} * lanes;
    if (x.as.scale == nullptr && !x.as.relu) return p;
    k.read_row(p, pixels, x.as, copy, false);
    return copy;
}

inline void check_batch_norm(const operands<float>& o) {
    const std::ptrdiff_t count = o.out.n * o.n->in.plane();
    if (o.batch_statistics && count <= 1)
        throw shape_mismatch("batch_norm", "more than one value per channel to train on",
                             std::to_string(o.out.n) + " x " + std::to_string(o.n->in.h) + " x " + std::to_string(o.n->in.w));
}

/// f(sample, channel, first element) for every plane of a dense activation.
template <class F>
void for_each_plane(shape s, int batch, F f) {
    for (int n = 0; n < batch; ++n)
        for (int c = 0; c < s.c; ++c) f(n, c, n * s.size() + c * s.plane());
}

/// The input of a dense norm, read through, in the workspace; statistics behind it.
struct dense_norm_input {
    float* x;
    moments* found;
    explicit dense_norm_input(const operands<float>& o) {
        workspace_cursor cursor(o.workspace);
        const shape s = o.n->in;
        x = cursor.take(o.out.n * s.size());
        found = reinterpret_cast<moments*>(cursor.take(blocks_of(s.c) * moments_elements));
        for (int n = 0; n < o.out.n; ++n) gather_dense(o.sources[0], n, x + n * s.size());
    }
};

/// The same for what is stored dense: images of few channels, vectors.
inline void forward_dense_batch_norm(const operands<float>& o, bool relu) {
    const shape s = o.n->in;
    const dense_norm_input in(o);
    if (o.batch_statistics)
        for (int c = 0; c < s.c; ++c) {
            moments& m = in.found[c / lanes];
            const std::size_t lane = static_cast<std::size_t>(c % lanes);
            const auto for_each_value = [&](auto f) {
                for (int n = 0; n < o.out.n; ++n)
                    for (std::ptrdiff_t i = 0; i < s.plane(); ++i) f(static_cast<double>(in.x[n * s.size() + c * s.plane() + i]));
            };
            double total = 0, sum = 0, square = 0;
            for_each_value([&](double v) { total += v; });
            m.origin[lane] = static_cast<float>(total / static_cast<double>(o.out.n * s.plane())); // not a value, which may be far from the others
            const double origin = static_cast<double>(m.origin[lane]);
            for_each_value([&](double v) {
                sum += v - origin;
                square += (v - origin) * (v - origin);
            });
            m.sum[lane] = static_cast<float>(sum);
            m.square[lane] = static_cast<float>(square);
            m.count = static_cast<int>(o.out.n * s.plane());
        }
    finish_batch_norm(o, in.found, 1);
    if (o.out.data == nullptr) return;
    const norm_state<const float> state(o.state, s.c);
    for_each_plane(s, o.out.n, [&](int, int c, std::ptrdiff_t first) {
        for (std::ptrdiff_t i = first; i < first + s.plane(); ++i) {
            const float v = in.x[i] * state.scale[c] + state.shift[c];
            o.out.data[i] = relu && v <= 0 ? 0.0f : v;
        }
    });
}

inline void backward_dense_batch_norm(const operands<float>& o, const float* dy, bool relu) {
    const shape s = o.n->in;
    const dense_norm_input in(o);
    const norm_state<const float> state(o.state, s.c);
    const double count = static_cast<double>(o.out.n) * static_cast<double>(s.plane());
    const auto gradient = [&](int c, std::ptrdiff_t i) {
        return relu && !(in.x[i] * state.scale[c] + state.shift[c] > 0) ? 0.0 : static_cast<double>(dy[i]);
    };
    for (int c = 0; c < s.c; ++c) {
        const double mean = static_cast<double>(state.mean[c]), rstd = static_cast<double>(state.rstd[c]), a = static_cast<double>(state.scale[c]);
        double first = 0, second = 0;
        for (int n = 0; n < o.out.n; ++n)
            for (std::ptrdiff_t i = n * s.size() + c * s.plane(), end = i + s.plane(); i < end; ++i) {
                const double g = gradient(c, i);
                first += g;
                second += g * (static_cast<double>(in.x[i]) - mean);
            }
        if (o.grad_weight != nullptr) o.grad_weight[c] = static_cast<float>(second * rstd);
        if (o.grad_bias != nullptr) o.grad_bias[c] = static_cast<float>(first);
        if (!o.sinks[0] || o.sinks[0][0].data == nullptr) continue;
        const double b = o.batch_statistics ? -a * rstd * rstd * second / count : 0, constant = o.batch_statistics ? -a * first / count : 0;
        for (int n = 0; n < o.out.n; ++n)
            for (std::ptrdiff_t i = n * s.size() + c * s.plane(), end = i + s.plane(); i < end; ++i) {
                const float v = static_cast<float>(a * gradient(c, i) + b * (static_cast<double>(in.x[i]) - mean) + constant);
                float& to = o.sinks[0][0].data[i];
                to = o.sinks[0][0].accumulate ? to + v : v;
            }
    }
}

/// Statistics, and the output where it is stored; with `relu` the one behind it too. `found` are a convolution's, of `rows` pieces; null: measured here.
inline void forward_batch_norm(const kernel_table& k, const operands<float>& o, const moments* found, int rows, bool relu) {
    check_batch_norm(o);
    const shape s = o.n->in;
    if (stored_dense(s)) return forward_dense_batch_norm(o, relu);
    const norm_pieces pieces(s, o.out.n);
    workspace_cursor cursor(o.workspace);
    if (o.batch_statistics && found == nullptr) {
        auto* const mine = reinterpret_cast<moments*>(cursor.take(pieces.tasks() * moments_elements));
        float* const copies = cursor.take(0);
        o.pool->run(pieces.tasks(), [&](int task, int worker) {
            pieces.visit(task, [&](int sample, int block, int first, int pixels) {
                mine[task].count = 0;
                k.moments_of_row(norm_input(k, o.sources[0], sample, block, first, pixels, copies + std::ptrdiff_t{worker} * norm_piece * lanes), pixels, mine[task]);
            });
        });
        found = mine;
        rows = pieces.rows();
    }
    finish_batch_norm(o, found, rows);
    if (o.out.data == nullptr) return;
    const norm_state<const float> state(o.state, s.c);
    o.pool->run(pieces.tasks(), [&](int task) {
        pieces.visit(task, [&](int sample, int block, int first, int pixels) {
            const located<const float> x = locate(o.sources[0], sample, block);
            float* const out = block_plane(o.out.data, s, sample, block) + std::ptrdiff_t{first} * lanes;
            const float* in = x.plane + std::ptrdiff_t{first} * lanes;
            if (x.as.scale != nullptr || x.as.relu) {
                k.read_row(in, pixels, x.as, out, false);
                in = out;
            }
            k.read_row(in, pixels, {state.scale + block * lanes, state.shift + block * lanes, relu}, out, false);
        });
    });
}

/// With xhat = (x - mean) rstd, g the gradient behind a ReLU where there is one, means over the m values of a channel:
/// grad_weight = sum g xhat, grad_bias = sum g, grad_in = weight rstd (g - mean(g) - xhat mean(g xhat)); without the means when the statistics
/// are constants. `dy` is the gradient of the norm's (or the ReLU's) result. `leave`: grad_in is left to who reads it, see pending_norm.
inline void backward_batch_norm(const kernel_table& k, const operands<float>& o, const float* dy, bool relu, bool leave) {
    const shape s = o.n->in;
    if (stored_dense(s)) return backward_dense_batch_norm(o, dy, relu);
    const norm_pieces pieces(s, o.out.n);
    const int blocks = pieces.blocks;
    workspace_cursor cursor(o.workspace);
    float* const sums = cursor.take(pieces.tasks() * moments_elements);
    float* const copies = cursor.take(0);
    const norm_state<float> state(o.state, s.c);
    float* const coefficients = state.coefficients;

    const auto visit = [&](int task, int worker, auto f) {
        pieces.visit(task, [&](int sample, int block, int first, int pixels) {
            norm_row r;
            r.z = norm_input(k, o.sources[0], sample, block, first, pixels, copies + std::ptrdiff_t{worker} * norm_piece * lanes);
            r.dy = block_plane(dy, s, sample, block) + std::ptrdiff_t{first} * lanes;
            r.pixels = pixels;
            r.mean = state.mean + block * lanes;
            r.forward = {state.scale + block * lanes, state.shift + block * lanes, relu};
            f(r, sample, block, first);
        });
    };
    const bool through_statistics = o.batch_statistics && o.sinks[0];
    if (o.grad_weight != nullptr || o.grad_bias != nullptr || through_statistics)
        o.pool->run(pieces.tasks(), [&](int task, int worker) {
            visit(task, worker, [&](const norm_row& r, int, int, int) {
                std::fill_n(sums + std::ptrdiff_t{task} * 2 * lanes, 2 * lanes, 0.0f);
                k.norm_sums(r, sums + std::ptrdiff_t{task} * 2 * lanes);
            });
        });
    const double count = static_cast<double>(pieces.samples) * pieces.plane;
    for (int c = 0; c < blocks * lanes; ++c) {
        float* const of_channel = coefficients + c / lanes * 3 * lanes + c % lanes;
        of_channel[0] = of_channel[lanes] = of_channel[2 * lanes] = 0;
        if (c >= s.c) continue;
        double first = 0, second = 0;
        if (o.grad_weight != nullptr || o.grad_bias != nullptr || through_statistics)
            for (int task = c / lanes; task < pieces.tasks(); task += blocks) {
                first += static_cast<double>(sums[std::ptrdiff_t{task} * 2 * lanes + c % lanes]);
                second += static_cast<double>(sums[std::ptrdiff_t{task} * 2 * lanes + lanes + c % lanes]);
            }
        const double rstd = static_cast<double>(state.rstd[c]), a = static_cast<double>(state.scale[c]);
        if (o.grad_weight != nullptr) o.grad_weight[c] = static_cast<float>(second * rstd);
        if (o.grad_bias != nullptr) o.grad_bias[c] = static_cast<float>(first);
        const double b = through_statistics ? -a * rstd * rstd * second / count : 0;
        of_channel[0] = static_cast<float>(a);
        of_channel[lanes] = static_cast<float>(b);
        of_channel[2 * lanes] = static_cast<float>(through_statistics ? -a * first / count : 0);
    }
    if (!o.sinks[0] || leave) return;
    o.pool->run(pieces.tasks(), [&](int task, int worker) {
        visit(task, worker, [&](const norm_row& r, int sample, int block, int first) {
            const located<float> sink = locate(o.sinks[0], sample, block);
            if (sink.plane != nullptr) k.norm_gradient(r, coefficients + block * 3 * lanes, sink.plane + std::ptrdiff_t{first} * lanes, sink.accumulate);
        });
    });
}

} // namespace umsrep::cpu_ops
