// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/config.hpp>

#if UMSREP_CPU_FALLBACK
#include <umsrep/backend/cpu/fallback.hpp>
#else

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/backend/cpu/activation.hpp>
#include <umsrep/backend/cpu/adapter.hpp>
#include <umsrep/backend/cpu/combination.hpp>
#include <umsrep/backend/cpu/convolution_way.hpp>
#include <umsrep/backend/cpu/depthwise.hpp>
#include <umsrep/backend/cpu/direct.hpp>
#include <umsrep/backend/cpu/direct_weights.hpp>
#include <umsrep/backend/cpu/dropout.hpp>
#include <umsrep/backend/cpu/families.hpp>
#include <umsrep/backend/cpu/few_channels.hpp>
#include <umsrep/backend/cpu/group_norm.hpp>
#include <umsrep/backend/cpu/linear.hpp>
#include <umsrep/backend/cpu/norm.hpp>
#include <umsrep/backend/cpu/policy.hpp>
#include <umsrep/backend/cpu/pooling.hpp>
#include <umsrep/backend/cpu/resampling.hpp>
#include <umsrep/backend/cpu/sum_channels.hpp>
#include <umsrep/backend/cpu/winograd.hpp>
#include <umsrep/backend/cpu/winograd_few_tiles.hpp>
#include <umsrep/graph/op_name.hpp>
#include <umsrep/graph/storage.hpp>

namespace umsrep {

/// The fast backend for processors: float, channels in blocks of 16, kernels for the widest instruction set the machine has, whatever flags
/// the program is built with. The environment variable UMSREP_CPU (portable, avx2, avx512) forces one.
///
///     model<net, cpu<>> m{seed{1}, batch{8}, threads{2}};
///
/// `Policy`: winograd or exact. `Families`: the kernels that are compiled; `cpu<>` has all, `default_backend<net>` those that the network needs.
///
/// No operation allocates. Results do not depend on the number of threads; they do depend on the instruction set, in the last bits.
template <class Policy = winograd, cpu_families Families = cpu_families{}>
struct cpu {
    using scalar = float;
    using policy = Policy;
    static constexpr cpu_families families = Families;
    static constexpr int scalar_bytes = sizeof(float);
    static constexpr bool flushes_denormals = true;

    static const char* name() { return Policy::allows_winograd ? "cpu" : "cpu<exact>"; }
    /// The kernels in use: "avx512", "avx2" or "portable".
    static const char* instruction_set();

    static constexpr storage_policy storage{.elements = cpu_ops::stored_elements,
                                            .dense = cpu_ops::stored_dense,
                                            .defers_norms = true,
                                            .concat_block = cpu_ops::lanes,
                                            .joins = cpu_ops::joins<Policy::allows_winograd>};

    static constexpr std::ptrdiff_t state_size(const node& n, bool /*batch_statistics*/, bool /*training*/) {
        return n.kind == op::batch_norm ? cpu_ops::norm_state_size(n.in.c) : 0;
    }

    static constexpr std::ptrdiff_t workspace_size(const node& n, int batch, int threads, bool training);
    static constexpr std::ptrdiff_t worker_size(const node& n, int batch, int threads, bool training);

    static void forward(std::span<const operands<float>> chain);
    static void backward(std::span<const operands<float>> chain);

    static void from_dense(const float* dense, tensor_view<float> value) {
        const parts<float> to = cpu_ops::whole(value.data, value.s);
        for (int n = 0; n < value.n; ++n) cpu_ops::scatter_dense(dense + n * value.s.size(), to, n);
    }
    static void to_dense(tensor_view<const float> value, float* dense) {
        const parts<const float> from = cpu_ops::whole(value.data, value.s);
        for (int n = 0; n < value.n; ++n) cpu_ops::gather_dense(from, n, dense + n * value.s.size());
    }

private:
    using operand_list = std::span<const operands<float>>;

    static constexpr cpu_ops::way way_of(const cpu_ops::correlation& map, bool adjoint) {
        return cpu_ops::way_of_pass(map, adjoint, Policy::allows_winograd);
    }
    static constexpr cpu_ops::way way_of_weights(const node& n, const cpu_ops::correlation& map) {
        return cpu_ops::way_of_weights(map, n.kind == op::conv_transpose, Policy::allows_winograd);
    }
    /// Whether a convolution's weights' pass applies the backward of the norm behind it.
    static constexpr bool applies_norms(const node& n, const cpu_ops::correlation& map) {
        const cpu_ops::way w = way_of_weights(n, map);
        return w == cpu_ops::way::winograd || (w == cpu_ops::way::few_channels && !cpu_ops::stored_dense(map.narrow));
    }
    static constexpr cpu_ops::scratch_memory convolution_scratch(const node& n, int batch, int threads, bool training);
    /// Rows of statistics that the forward pass of a convolution leaves.
    static constexpr int statistics_rows(const node& n, int batch, int threads);

    static void run_pass(const cpu_ops::pass& p);
    static void run_weights(const node& n, const cpu_ops::weight_pass& p);
    static std::size_t forward_convolution(operand_list chain);
    static void backward_convolution(const operands<float>& o, const cpu_ops::pending_norm* pending);
    /// How many nodes of the chain's end it ran: a batch-norm, the ReLU behind it and the convolution before it together where they can be.
    static std::size_t backward_norm(operand_list chain);
    static void forward_one(const operands<float>& o);
    static void backward_one(const operands<float>& o);

    [[noreturn]] static void refuse(std::string_view what) {
        throw device_error("backend cpu", "a type with the families of the network: model<net>, or cpu<>", std::string(what) + ", which this one is without");
    }
};

/// Not inline, or a file that only asks would compile all kernels, whatever it declares extern.
template <class Policy, cpu_families Families>
const char* cpu<Policy, Families>::instruction_set() {
    return cpu_ops::kernels().name;
}

template <class Policy, cpu_families Families>
constexpr int cpu<Policy, Families>::statistics_rows(const node& n, int batch, int threads) {
    using namespace cpu_ops;
    const correlation map = correlation_of(n, batch);
    const bool transposed = n.kind == op::conv_transpose;
    switch (way_of(map, transposed)) {
    case way::depthwise: return depthwise_statistics_rows(map, transposed);
    case way::few_channels: return few_channels_statistics_rows(map);
    case way::winograd: return plan_winograd(n.in.c, n.out, batch, threads).blocks();
    case way::direct: return direct_statistics_rows(plan_direct(map, transposed, threads));
    }
    return 0;
}

template <class Policy, cpu_families Families>
constexpr cpu_ops::scratch_memory cpu<Policy, Families>::convolution_scratch(const node& n, int batch, int threads, bool training) {
    using namespace cpu_ops;
    const correlation map = correlation_of(n, batch);
    scratch_memory most;
    const auto needs = [&](scratch_memory m) { most = {std::max(most.shared, m.shared), std::max(most.worker, m.worker)}; };
    const auto pass = [&](bool adjoint) {
        switch (way_of(map, adjoint)) {
        case way::depthwise: return needs({depthwise_workspace(map)});
        case way::few_channels: return needs({few_channels_workspace(map, threads)});
        case way::winograd:
            return needs(adjoint ? winograd_memory_of(map.narrow.c, map.wide, batch, threads) : winograd_memory_of(map.wide.c, map.narrow, batch, threads));
        case way::direct: return needs({plan_direct(map, adjoint, threads).workspace()});
        }
    };
    const auto weights = [&] {
        switch (way_of_weights(n, map)) {
        case way::depthwise: return needs({depthwise_workspace(map)});
        case way::few_channels: return needs({few_channels_workspace(map, threads)});
        case way::winograd: return needs(plan_winograd_weights(map, threads).memory());
        case way::direct: return needs({plan_direct_weights(map, threads).workspace()});
        }
    };
    const bool transposed = n.kind == op::conv_transpose;
    pass(transposed);
    if (training) {
        pass(!transposed);
        weights();
        needs({sum_channels_workspace(n.out, batch)});
    }
    const std::ptrdiff_t statistics = std::ptrdiff_t{statistics_rows(n, batch, threads)} * blocks_of(n.out.c) * moments_elements;
    most.shared += (statistics + lanes - 1) / lanes * lanes;
    return most;
}

template <class Policy, cpu_families Families>
constexpr std::ptrdiff_t cpu<Policy, Families>::worker_size(const node& n, int batch, int threads, bool training) {
    return n.kind == op::conv || n.kind == op::conv_transpose ? convolution_scratch(n, batch, threads, training).worker : 0;
}

template <class Policy, cpu_families Families>
constexpr std::ptrdiff_t cpu<Policy, Families>::workspace_size(const node& n, int batch, int threads, bool training) {
    switch (n.kind) {
    case op::input: return 0;
    case op::conv:
    case op::conv_transpose: return convolution_scratch(n, batch, threads, training).shared;
    case op::batch_norm: return cpu_ops::batch_norm_workspace(n.in, batch, threads);
    case op::linear: return cpu_ops::linear_workspace(n, batch, threads);
    case op::relu:
    case op::leaky_relu:
    case op::gelu:
    case op::silu:
    case op::sigmoid:
    case op::dropout:
    case op::add: return 0;
    case op::upsample_nearest:
    case op::upsample_bilinear: return cpu_ops::upsamples_blocks(n) ? 0 : cpu_ops::adapter_workspace(n, batch, threads);
    case op::group_norm: return cpu_ops::stored_dense(n.in) ? cpu_ops::adapter_workspace(n, batch, threads) : cpu_ops::group_norm_workspace(n.in, batch);
    case op::max_pool:
    case op::avg_pool:
    case op::global_avg_pool: return cpu_ops::pools_blocks(n) ? 0 : cpu_ops::adapter_workspace(n, batch, threads);
    case op::concat: return n.in.c >= 8 && n.out.c - n.in.c >= 8 && n.out.plane() > 1 ? 0 : cpu_ops::adapter_workspace(n, batch, threads);
    default: return cpu_ops::adapter_workspace(n, batch, threads);
    }
}

/// Of families that this type is without, nothing is compiled; a network that needs them is refused where its model's type is made.
template <class Policy, cpu_families Families>
void cpu<Policy, Families>::run_pass(const cpu_ops::pass& p) {
    using namespace cpu_ops;
    switch (way_of(p.map, p.adjoint)) {
    case way::depthwise:
        if constexpr (Families.depthwise) return depthwise_pass(kernels(), p);
        break;
    case way::few_channels: return few_channels_pass(kernels(), p);
    case way::winograd: return any_winograd_pass(kernels(), p);
    case way::direct: return direct_pass(kernels(), p);
    }
    refuse("a depthwise convolution");
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::run_weights(const node& n, const cpu_ops::weight_pass& p) {
    using namespace cpu_ops;
    switch (way_of_weights(n, p.map)) {
    case way::depthwise:
        if constexpr (Families.depthwise) return depthwise_weights(kernels(), p);
        break;
    case way::few_channels: return few_channels_weights(kernels(), p);
    case way::winograd: return winograd_weights(kernels(), p);
    case way::direct: return direct_weights(kernels(), p);
    }
    refuse("a depthwise convolution");
}

/// Runs the convolution at the front of the chain and what of the chain can be done on its result while it is at hand; returns how many nodes.
template <class Policy, cpu_families Families>
std::size_t cpu<Policy, Families>::forward_convolution(operand_list chain) {
    using namespace cpu_ops;
    const operands<float>& o = chain[0];
    const node& n = *o.n;
    pass p;
    p.map = correlation_of(n, o.out.n);
    p.adjoint = n.kind == op::conv_transpose;
    p.in = o.sources[0];
    p.out = whole(o.out.data, n.out);
    p.weight = o.weight;
    p.bias = o.bias;
    p.pool = o.pool;
    p.workspace = o.workspace;
    p.workers = o.workers;

    std::size_t done = 1;
    const operands<float>* const norm = chain.size() > done && chain[done].n->kind == op::batch_norm ? &chain[done] : nullptr;
    const bool measures = norm != nullptr && norm->batch_statistics && !stored_dense(n.out);
    const bool folds = norm != nullptr && !norm->batch_statistics && norm->out.data == o.out.data;
    const int rows = measures ? statistics_rows(n, o.out.n, o.pool->threads()) : 0;
    if (measures) {
        p.statistics = reinterpret_cast<moments*>(o.workspace);
        p.workspace += (std::ptrdiff_t{rows} * blocks_of(n.out.c) * moments_elements + lanes - 1) / lanes * lanes;
    } else if (folds) {
        finish_batch_norm(*norm, nullptr, 0);
        const norm_state<const float> state(norm->state, n.out.c);
        p.then = {state.scale, state.shift, false};
        ++done;
    }
    if ((norm == nullptr || folds) && chain.size() > done && chain[done].n->kind == op::relu && chain[done].out.data == o.out.data) {
        p.then.relu = true;
        ++done;
    }
    if (!measures && chain.size() > done && pools_pairs(*chain[done].n) && chain[done].in[0].data == o.out.data && way_of(p.map, p.adjoint) == way::winograd) {
        p.pooled = chain[done].out.data;
        ++done;
    }
    run_pass(p);
    if (measures) {
        forward_batch_norm(kernels(), *norm, p.statistics, rows, false);
        ++done;
    }
    return done;
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::backward_convolution(const operands<float>& o, const cpu_ops::pending_norm* pending) {
    using namespace cpu_ops;
    const node& n = *o.n;
    const correlation map = correlation_of(n, o.out.n);
    const bool transposed = n.kind == op::conv_transpose;
    const parts<const float> dy = whole(static_cast<const float*>(o.grad_out.data), n.out);
    if (o.grad_weight != nullptr) {
        run_weights(n, {map, transposed ? dy : o.sources[0], transposed ? o.sources[0] : dy, o.grad_weight, o.pool, o.workspace, o.workers, pending});
    }
    if (o.grad_bias != nullptr) sum_channels(kernels(), dy, n.out, o.out.n, *o.pool, o.workspace, o.grad_bias);
    if (!o.sinks[0]) return;
    pass p;
    p.map = map;
    p.adjoint = !transposed;
    p.in = dy;
    p.out = o.sinks[0];
    p.weight = o.weight;
    p.pool = o.pool;
    p.workspace = o.workspace;
    p.workers = o.workers;
    run_pass(p);
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::forward(operand_list chain) {
    using namespace cpu_ops;
    for (std::size_t i = 0; i < chain.size();) {
        const operands<float>& o = chain[i];
        switch (o.n->kind) {
        case op::input: ++i; break;
        case op::conv:
        case op::conv_transpose: i += forward_convolution(chain.subspan(i)); break;
        case op::batch_norm:
            forward_batch_norm(kernels(), o, nullptr, 0, false);
            ++i;
            break;
        default:
            if (o.out.data != nullptr) forward_one(o); // else its readers do it
            ++i;
        }
    }
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::forward_one(const operands<float>& o) {
    using namespace cpu_ops;
    const kernel_table& k = kernels();
    switch (o.n->kind) {
    case op::relu: return forward_relu(k, o);
    case op::leaky_relu:
        if constexpr (Families.activations) return forward_leaky_relu(k, o);
        break;
    case op::gelu:
        if constexpr (Families.activations) return forward_gelu(k, o);
        break;
    case op::silu:
        if constexpr (Families.activations) return forward_silu(k, o);
        break;
    case op::sigmoid: return forward_sigmoid(k, o);
    case op::add: return forward_add(k, o);
    case op::dropout:
        if constexpr (Families.dropout) return forward_dropout(k, o);
        break;
    case op::linear: return forward_linear(k, o);
    case op::upsample_nearest:
        if constexpr (Families.upsampling) return upsamples_blocks(*o.n) ? forward_upsample_nearest(k, o) : through_reference_forward<Families>(o);
        break;
    case op::upsample_bilinear:
        if constexpr (Families.upsampling) return upsamples_blocks(*o.n) ? forward_upsample_bilinear(k, o) : through_reference_forward<Families>(o);
        break;
    case op::group_norm:
        if constexpr (Families.group_norm) return stored_dense(o.n->in) ? through_reference_forward<Families>(o) : forward_group_norm(k, o);
        break;
    case op::max_pool: return pools_blocks(*o.n) ? forward_max_pool(k, o) : through_reference_forward<Families>(o);
    case op::avg_pool:
        if constexpr (Families.averages) return pools_blocks(*o.n) ? forward_avg_pool(k, o) : through_reference_forward<Families>(o);
        break;
    case op::global_avg_pool: return pools_blocks(*o.n) ? forward_global_avg_pool(k, o) : through_reference_forward<Families>(o);
    case op::concat: return concatenates_blocks(o) ? forward_concat(k, o) : through_reference_forward<Families>(o);
    default: return through_reference_forward<Families>(o);
    }
    refuse(umsrep::name(o.n->kind));
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::backward_one(const operands<float>& o) {
    using namespace cpu_ops;
    const kernel_table& k = kernels();
    switch (o.n->kind) {
    case op::relu: return backward_relu(k, o);
    case op::leaky_relu:
        if constexpr (Families.activations) return backward_leaky_relu(k, o);
        break;
    case op::gelu:
        if constexpr (Families.activations) return backward_gelu(k, o);
        break;
    case op::silu:
        if constexpr (Families.activations) return backward_silu(k, o);
        break;
    case op::sigmoid: return backward_sigmoid(k, o);
    case op::add: return backward_add(k, o);
    case op::dropout:
        if constexpr (Families.dropout) return backward_dropout(k, o);
        break;
    case op::linear: return backward_linear(k, o);
    case op::upsample_nearest:
        if constexpr (Families.upsampling) return upsamples_blocks(*o.n) ? backward_upsample_nearest(k, o) : through_reference_backward<Families>(o);
        break;
    case op::upsample_bilinear:
        if constexpr (Families.upsampling) return upsamples_blocks(*o.n) ? backward_upsample_bilinear(k, o) : through_reference_backward<Families>(o);
        break;
    case op::group_norm:
        if constexpr (Families.group_norm) return stored_dense(o.n->in) ? through_reference_backward<Families>(o) : backward_group_norm(k, o);
        break;
    case op::max_pool: return pools_blocks(*o.n) ? backward_max_pool(k, o) : through_reference_backward<Families>(o);
    case op::avg_pool:
        if constexpr (Families.averages) return pools_blocks(*o.n) ? backward_avg_pool(k, o) : through_reference_backward<Families>(o);
        break;
    case op::global_avg_pool: return pools_blocks(*o.n) ? backward_global_avg_pool(k, o) : through_reference_backward<Families>(o);
    case op::concat: return concatenates_blocks(o) ? backward_concat(k, o) : through_reference_backward<Families>(o);
    default: return through_reference_backward<Families>(o);
    }
    refuse(umsrep::name(o.n->kind));
}

template <class Policy, cpu_families Families>
std::size_t cpu<Policy, Families>::backward_norm(operand_list chain) {
    using namespace cpu_ops;
    const std::size_t size = chain.size();
    const bool relu = chain.back().n->kind == op::relu;
    const std::size_t norms = relu ? 2 : 1; // and the ReLU
    const operands<float>& norm = chain[size - norms];
    float* const dy = const_cast<float*>(chain.back().grad_out.data);

    // The gradient of the weights reads every element once: it can apply the norm's backward on the way, if the gradient stays in its place.
    const operands<float>* const conv = size > norms && chain[size - norms - 1].n->kind == op::conv ? &chain[size - norms - 1] : nullptr;
    const bool fuses = conv != nullptr && conv->grad_weight != nullptr && conv->grad_out.data == dy && applies_norms(*conv->n, correlation_of(*conv->n, conv->out.n)) &&
                       norm.sinks[0].count == 1 && norm.sinks[0][0].data == dy && !norm.sinks[0][0].accumulate && norm.sources[0].count == 1 &&
                       norm.sources[0][0].norm == nullptr;
    backward_batch_norm(kernels(), norm, dy, relu, fuses);
    if (!fuses) return norms;
    const pending_norm pending{dy, norm.sources[0][0].data, norm.state, relu, bool(conv->sinks[0]) || conv->grad_bias != nullptr};
    backward_convolution(*conv, &pending);
    return norms + 1;
}

template <class Policy, cpu_families Families>
void cpu<Policy, Families>::backward(operand_list chain) {
    using namespace cpu_ops;
    for (std::size_t left = chain.size(); left > 0;) {
        const operands<float>& o = chain[left - 1];
        switch (o.n->kind) {
        case op::input: break;
        case op::conv:
        case op::conv_transpose: backward_convolution(o, nullptr); break;
        case op::batch_norm: left -= backward_norm(chain.first(left)) - 1; break;
        case op::relu: {
            const bool behind_norm = left > 1 && chain[left - 2].n->kind == op::batch_norm && chain[left - 2].out.data == nullptr && o.out.data == nullptr &&
                                     o.grad_in[0].data == o.grad_out.data;
            if (behind_norm) left -= backward_norm(chain.first(left)) - 1;
            else backward_one(o);
            break;
        }
        default: backward_one(o);
        }
        --left;
    }
}

} // namespace umsrep

#endif
