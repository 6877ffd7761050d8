// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include <umsrep/backend/reference/reference.hpp>

namespace umsrep::test {

/// The reference's operations behind a layout of its own and everything that a plan may leave to readers: what executors and plans must do
/// for a fast backend, without one. Three channels or fewer, and single pixels, are plain; the others lie in blocks of two. Slow, and
/// allocates as it likes.
struct deferring {
    using scalar = double;
    static constexpr int scalar_bytes = sizeof(scalar);
    static const char* name() { return "deferring"; }

    static constexpr bool plain(shape s) { return s.c < 4 || s.plane() == 1; }
    static constexpr std::ptrdiff_t elements(shape s) { return plain(s) ? s.size() : (s.c + 1) / 2 * 2 * s.plane(); }
    static constexpr storage_policy storage{elements, plain, true, 2};

    /// Of a batch_norm: mean, rstd, and a reader's mean, scale and shift.
    static constexpr std::ptrdiff_t state_size(const node& n, bool, bool) { return n.kind == op::batch_norm ? 5 * std::ptrdiff_t{n.in.c} : 0; }
    static constexpr std::ptrdiff_t workspace_size(const node& n, int batch, int threads, bool training) {
        return reference<scalar>::workspace_size(n, batch, threads, training);
    }

    static constexpr std::ptrdiff_t worker_size(const node& n, int batch, int, bool training) {
        return n.kind == op::conv ? std::ptrdiff_t{batch} * n.in.c * (training ? 8 : 3) : 0;
    }

    static void forward(std::span<const operands<scalar>> chain) {
        for (const operands<scalar>& o : chain) {
            fill_worker_memory(o, false);
            forward(o);
        }
    }
    static void backward(std::span<const operands<scalar>> chain) {
        for (std::size_t i = chain.size(); i-- > 0;) {
            fill_worker_memory(chain[i], true);
            backward(chain[i]);
        }
    }

    static void from_dense(const scalar* dense, tensor_view<scalar> value) { put(dense, value.n, value.s, {value.data, value.s}, 0, false); }
    static void to_dense(tensor_view<const scalar> value, scalar* dense) { get({value.data, value.s}, value.n, value.s, dense, 0); }

private:
    /// With what is no number, in every worker's piece: it must be there, and be nobody else's.
    static void fill_worker_memory(const operands<scalar>& o, bool training) {
        const std::ptrdiff_t size = worker_size(*o.n, o.out.n, o.pool->threads(), training);
        if (o.workers.size < size) throw std::logic_error("worker memory is too small");
        for (int worker = 0; worker < o.pool->threads(); ++worker) std::fill_n(o.workers.of(worker), size, std::numeric_limits<scalar>::quiet_NaN());
    }

    static std::ptrdiff_t place(shape s, int sample, int c, std::ptrdiff_t pixel) {
        return sample * elements(s) + (plain(s) ? c * s.plane() + pixel : (c / 2 * s.plane() + pixel) * 2 + c % 2);
    }

    /// Part p of a value into the channels of a plain one that begin at `first`.
    static void get(const part<const scalar>& p, int n, shape whole, scalar* to, int first) {
        for (int i = 0; i < n; ++i)
            for (int c = 0; c < p.s.c; ++c)
                for (std::ptrdiff_t x = 0; x < p.s.plane(); ++x) {
                    scalar v = p.data[place(p.s, i, c, x)];
                    if (p.norm != nullptr) v = (v - p.norm[2 * p.s.c + c]) * p.norm[3 * p.s.c + c] + p.norm[4 * p.s.c + c];
                    to[i * whole.size() + (first + c) * whole.plane() + x] = p.relu && v < 0 ? 0 : v;
                }
    }
    static void put(const scalar* from, int n, shape whole, const part<scalar>& p, int first, bool accumulate) {
        for (int i = 0; i < n; ++i) {
            if (p.s.c % 2 != 0 && !plain(p.s))
                for (std::ptrdiff_t x = 0; x < p.s.plane(); ++x) p.data[place(p.s, i, p.s.c - 1, x) + 1] = 0;
            for (int c = 0; c < p.s.c; ++c)
                for (std::ptrdiff_t x = 0; x < p.s.plane(); ++x) {
                    scalar& to = p.data[place(p.s, i, c, x)];
                    const scalar v = from[i * whole.size() + (first + c) * whole.plane() + x];
                    to = accumulate ? to + v : v;
                }
        }
    }

    static std::vector<scalar> dense(const parts<const scalar>& value, int n, shape s) {
        std::vector<scalar> result(static_cast<std::size_t>(n * s.size()), 0);
        int first = 0;
        for (const part<const scalar>& p : value) {
            get(p, n, s, result.data(), first);
            first += p.s.c;
        }
        return result;
    }

    /// Plain copies of what an operation reads, and the operands that name them.
    struct plain_copy {
        std::vector<scalar> in[2], out, grad_out, grad_in[2];
        operands<scalar> o;

        explicit plain_copy(const operands<scalar>& from) : o{from} {
            const int n = from.out.n;
            for (const std::size_t k : {0u, 1u}) {
                if (!from.sources[k]) continue;
                in[k] = dense(from.sources[k], n, from.in[k].s);
                o.in[k].data = in[k].data();
            }
            out = dense(from.result, n, from.out.s);
            o.out.data = out.data();
        }
    };

    static void forward(const operands<scalar>& o) {
        plain_copy copy(o);
        reference<scalar>::forward(copy.o);
        if (o.n->kind == op::batch_norm) {
            for (int i = 0, c = o.n->in.c; i < c; ++i) {
                const scalar rstd = o.batch_statistics ? o.state[c + i] : 1 / std::sqrt(o.running_var[i] + o.n->a.value);
                o.state[2 * c + i] = o.batch_statistics ? o.state[i] : o.running_mean[i];
                o.state[3 * c + i] = o.weight ? rstd * o.weight[i] : rstd;
                o.state[4 * c + i] = o.bias ? o.bias[i] : 0;
            }
        }
        if (o.out) put(copy.out.data(), o.out.n, o.out.s, {o.out.data, o.out.s}, 0, false);
    }

    static void backward(const operands<scalar>& o) {
        plain_copy copy(o);
        const int n = o.out.n;
        copy.grad_out = dense({{{{o.grad_out.data, o.grad_out.s}}}, 1}, n, o.grad_out.s);
        copy.o.grad_out.data = copy.grad_out.data();
        copy.o.accumulate = {};
        for (const std::size_t k : {0u, 1u}) {
            if (!o.sinks[k]) continue;
            copy.grad_in[k].resize(static_cast<std::size_t>(n * o.in[k].s.size()));
            copy.o.grad_in[k] = {copy.grad_in[k].data(), n, o.in[k].s};
        }
        reference<scalar>::backward(copy.o);
        for (const std::size_t k : {0u, 1u}) {
            int first = 0;
            for (const part<scalar>& p : o.sinks[k]) {
                if (p) put(copy.grad_in[k].data(), n, o.in[k].s, p, first, p.accumulate);
                first += p.s.c;
            }
        }
    }
};

} // namespace umsrep::test
