// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>
#include <umsrep/backend/cpu/families.hpp>
#include <umsrep/backend/reference/reference.hpp>

/// An operation by way of the reference backend: dense copies of what it reads, and back. For what has no kernel of its own, or not for a
/// layout: right for all of these, and no faster than the copies.
namespace umsrep::cpu_ops {

constexpr std::ptrdiff_t adapter_workspace(const node& n, int batch, int threads) {
    workspace_cursor size;
    // Input 1 has the shape of input 0 or what a concatenation adds to it: no larger than the output either way.
    const std::ptrdiff_t in = batch * n.in.size(), out = batch * n.out.size(), second = n.inputs[1] >= 0 ? out : 0;
    for (const std::ptrdiff_t piece : {in, second, out, in, second, out}) size.take(piece);
    size.take(reference<float>::workspace_size(n, batch, threads, true));
    return size.used();
}

namespace detail {

/// operands of the reference backend and the copies behind them.
struct adapted {
    operands<float> o;

    adapted(const operands<float>& original, bool backward) : o{original} {
        workspace_cursor cursor(original.workspace);
        const int batch = original.out.n;
        for (std::size_t i = 0; i < 2; ++i) {
            if (!original.sources[i]) continue;
            const shape s = original.in[i].s;
            float* const copy = cursor.take(batch * s.size());
            original.pool->run(batch, [&](int n) { gather_dense(original.sources[i], n, copy + n * s.size()); });
            o.in[i] = {copy, batch, s};
        }
        const shape s = original.n->out;
        float* const out = cursor.take(batch * s.size());
        o.out = {out, batch, s};
        if (backward) {
            if (original.result && original.result[0].data != nullptr)
                original.pool->run(batch, [&](int n) { gather_dense(original.result, n, out + n * s.size()); });
            float* const gradient = cursor.take(batch * s.size());
            parts<const float> from;
            from.count = 1;
            from[0] = {original.grad_out.data, s, nullptr, false, false};
            original.pool->run(batch, [&](int n) { gather_dense(from, n, gradient + n * s.size()); });
            o.grad_out = {gradient, batch, s};
            for (std::size_t i = 0; i < 2; ++i) {
                o.grad_in[i] = {};
                o.accumulate[i] = false;
                if (original.sinks[i]) o.grad_in[i] = {cursor.take(batch * original.in[i].s.size()), batch, original.in[i].s};
            }
        }
        o.workspace = cursor.take(0);
    }
};

// Templates, so that a file that runs no network on the backend does not compile the reference; and only of what comes this way, for its
// convolutions alone take as long to compile as most of the rest.

template <cpu_families Families, class T>
void reference_forward(const operands<T>& o) {
    if constexpr (Families.averages)
        if (o.n->kind == op::avg_pool) return reference_ops::forward_avg_pool(o);
    if constexpr (Families.group_norm)
        if (o.n->kind == op::group_norm) return reference_ops::forward_group_norm(o);
    if constexpr (Families.upsampling) {
        if (o.n->kind == op::upsample_nearest) return reference_ops::forward_upsample_nearest(o);
        if (o.n->kind == op::upsample_bilinear) return reference_ops::forward_upsample_bilinear(o);
    }
    switch (o.n->kind) {
    case op::softmax: return reference_ops::forward_softmax(o);
    case op::max_pool: return reference_ops::forward_max_pool(o);
    case op::global_avg_pool: return reference_ops::forward_global_avg_pool(o);
    case op::concat: return reference_ops::forward_concat(o);
    default: assert(false && "has kernels of its own");
    }
}

template <cpu_families Families, class T>
void reference_backward(const operands<T>& o) {
    if constexpr (Families.averages)
        if (o.n->kind == op::avg_pool) return reference_ops::backward_avg_pool(o);
    if constexpr (Families.group_norm)
        if (o.n->kind == op::group_norm) return reference_ops::backward_group_norm(o);
    if constexpr (Families.upsampling) {
        if (o.n->kind == op::upsample_nearest) return reference_ops::backward_upsample_nearest(o);
        if (o.n->kind == op::upsample_bilinear) return reference_ops::backward_upsample_bilinear(o);
    }
    switch (o.n->kind) {
    case op::softmax: return reference_ops::backward_softmax(o);
    case op::max_pool: return reference_ops::backward_max_pool(o);
    case op::global_avg_pool: return reference_ops::backward_global_avg_pool(o);
    case op::concat: return reference_ops::backward_concat(o);
    default: assert(false && "has kernels of its own");
    }
}

} // namespace detail

template <cpu_families Families, class T = float>
void through_reference_forward(const operands<T>& original) {
    const detail::adapted a(original, false);
    detail::reference_forward<Families>(a.o);
    parts<T> to;
    to.count = 1;
    to[0] = {original.out.data, original.n->out, nullptr, false, false};
    original.pool->run(original.out.n, [&](int n) { scatter_dense(a.o.out.sample(n), to, n); });
}

template <cpu_families Families, class T = float>
void through_reference_backward(const operands<T>& original) {
    const detail::adapted a(original, true);
    detail::reference_backward<Families>(a.o);
    for (std::size_t i = 0; i < 2; ++i)
        if (original.sinks[i]) {
            parts<T> to = original.sinks[i];
            original.pool->run(original.out.n, [&](int n) { scatter_dense(a.o.grad_in[i].sample(n), to, n); });
        }
}

} // namespace umsrep::cpu_ops
