// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include <umsrep/backend/cuda/device_image.hpp>
#include <umsrep/backend/cuda/kernel/activation.cuh>
#include <umsrep/backend/cuda/kernel/batch_norm.cuh>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/kernel/dropout.cuh>
#include <umsrep/backend/cuda/kernel/elementwise.cuh>
#include <umsrep/backend/cuda/kernel/pooling.cuh>
#include <umsrep/backend/cuda/kernel/resampling.cuh>
#include <umsrep/backend/cuda/kernel/softmax.cuh>
#include <umsrep/backend/cuda/kernel/sum_channels.cuh>
#include <umsrep/core/error.hpp>
#include <umsrep/graph/node.hpp>
#include <umsrep/graph/op_name.hpp>

/// The operations that our own kernels compute: which bodies, with which sizes.
namespace umsrep::cuda {

/// What an operation reads and writes on a device; as `operands` of the other backends. Null: not there, or not wanted.
struct own_operands {
    const node* n = nullptr;
    int batch = 1;
    std::array<activation_place, 2> in{}; ///< activations; forward, and backward where the operation needs them
    std::array<shape, 2> in_shape{};
    activation_place out{}, grad_out{};
    std::array<activation_place, 2> grad_in{};
    std::array<bool, 2> accumulate{}; ///< add to grad_in[i] instead of overwriting it
    activation_place skip{};          ///< an activation that is added to the result
    bool relu = false;                ///< and then this
    const float *weight = nullptr, *bias = nullptr;
    float *grad_weight = nullptr, *grad_bias = nullptr;
    bool batch_statistics = false;
    float *running_mean = nullptr, *running_var = nullptr; ///< of a norm by the batch: moved
    void* state = nullptr;                                 ///< own_state_bytes, kept from forward to backward
    void* workspace = nullptr;                             ///< own_workspace_bytes
    const kernel::stream* random = nullptr;                ///< of dropout; null: nothing drops
};

namespace detail {

constexpr std::size_t round_to_256(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

/// How sums over all pixels are cut.
inline constexpr kernel::u32 least_piece = 256;
inline kernel::two_steps norm_pieces(const node& n, int batch) { return kernel::cut(extents_of(batch, n.out).pixels(), least_piece); }

inline kernel::sliding_window window_of(const node& n, int batch) {
    const auto u = [](int v) { return static_cast<kernel::u32>(v); };
    const attributes& a = n.a;
    return {extents_of(batch, n.in), extents_of(batch, n.out), u(a.kernel.h),   u(a.kernel.w), u(a.stride.h),
            u(a.stride.w),           u(a.dilation.h),          u(a.dilation.w), a.padding.h,   a.padding.w};
}

} // namespace detail

/// Bytes that an own operation keeps from forward to backward.
inline std::size_t own_state_bytes(const node& n, int batch) {
    switch (n.kind) {
        case op::batch_norm:
            return static_cast<std::size_t>(stored_channels(n.out.c)) * sizeof(kernel::moments);
        case op::group_norm:
            return static_cast<std::size_t>(batch * n.a.groups) * sizeof(kernel::moments);
        case op::max_pool:
            return static_cast<std::size_t>(batch * n.out.size()) * sizeof(kernel::u32);
        default:
            return 0;
    }
}

/// Bytes of scratch for a batch of exactly so many.
inline std::size_t own_workspace_bytes(const node& n, int batch) {
    const auto size = [](auto count) { return static_cast<std::size_t>(count); };
    switch (n.kind) {
        case op::batch_norm:
            return detail::round_to_256(size(detail::norm_pieces(n, batch).count) * size(n.out.c) * sizeof(kernel::sum_pair)) +
                   size(stored_channels(n.out.c)) * sizeof(kernel::norm_means);
        case op::group_norm:
            return detail::round_to_256(size(batch * n.out.c) * sizeof(kernel::norm_share)) +
                   size(batch * n.a.groups) * sizeof(kernel::norm_means);
        default:
            return 0;
    }
}

/// The same for the gradient of a bias.
inline std::size_t bias_workspace_bytes(const node& n, int batch) {
    return static_cast<std::size_t>(detail::norm_pieces(n, batch).count) * static_cast<std::size_t>(n.out.c) * sizeof(double);
}

/// Launches the kernels of own operations whose activations are stored as T on a machine.
template <class Machine, class T>
class own_work {
public:
    explicit own_work(Machine& m) : machine_{m} {}

    /// y = relu(x + bias + skip) of activations of shape s; in place where out is in or skip.
    void add_up(int batch, shape s, const activation_place& in, const float* bias, const activation_place& skip, bool relu,
                const activation_place& out) {
        const device_image<T> to = bias != nullptr ? whole_image_at<T>(out, batch, s) : elementwise(batch, s, out, in, skip);
        with_pack(to.e.c % 8 == 0, [&](auto n) {
            machine_.launch(kernel::add_up<T, n>{to.e, read(in, s), bias, read(skip, s), relu, to.p});
        });
    }
    /// to = from, or to += from, of activations of shape s.
    void pass(int batch, shape s, const activation_place& from, const activation_place& to, bool accumulate) {
        if (from == to && !accumulate) return;
        const device_image<T> target = elementwise(batch, s, to, from);
        with_pack(target.e.c % 8 == 0, [&](auto n) {
            machine_.launch(kernel::copy<T, T, n>{target.e, read(from, s), target.p, accumulate});
        });
    }

    /// The gradient of a bias: of each channel, the sum of its gradient over all pixels. `workspace`: bias_workspace_bytes.
    void sum_channels(int batch, shape s, const activation_place& gradient, void* workspace, float* to) {
        const device_image<T> from = image_at<T>(gradient, batch, s);
        const kernel::two_steps step = kernel::cut(from.e.pixels(), detail::least_piece);
        auto* const pieces = static_cast<double*>(workspace);
        with_pack(from.e.c % 8 == 0, [&](auto n) {
            machine_.launch(kernel::sum_channels<T, double, n>{from.e.pixels(), from.e.c, step, from, pieces});
        });
        machine_.launch(kernel::sum_channels<double, float, 1>{step.count, from.e.c, {step.count, 1}, {pieces, from.e.c}, to});
    }

    /// Throws option_error for an operation that is cuDNN's.
    void forward(const own_operands& o) {
        const node& n = *o.n;
        switch (n.kind) {
            case op::add:
                return add_up(o.batch, n.out, o.in[0], nullptr, o.skip, o.relu, o.out);
            case op::relu:
                return add_up(o.batch, n.out, o.in[0], nullptr, {}, true, o.out);
            case op::leaky_relu:
                return activate(o, kernel::leaky_relu{static_cast<float>(n.a.value)});
            case op::gelu:
                return activate(o, kernel::gelu{});
            case op::silu:
                return activate(o, kernel::silu{});
            case op::sigmoid:
                return activate(o, kernel::sigmoid{});
            case op::softmax: {
                const device_image<T> out = image_at<T>(o.out, o.batch, n.out);
                return machine_.launch(kernel::softmax<T>{out.e, read(o.in[0], n.in), out.p});
            }
            case op::dropout:
                if (o.random == nullptr) return pass(o.batch, n.out, o.in[0], o.out, false);
                return drop(o, o.in[0], o.out, false);
            case op::concat:
                for (const int k : {0, 1})
                    if (o.in[static_cast<std::size_t>(k)]) copy_slice(o, k, false);
                return;
            case op::upsample_nearest:
                return enlarge<kernel::upsample_nearest>(o);
            case op::upsample_bilinear:
                return enlarge<kernel::upsample_bilinear>(o);
            case op::global_avg_pool: {
                const device_image<T> in = image_at<T>(o.in[0], o.batch, n.in);
                return machine_.launch(kernel::global_average<T>{in.e, in, image_at<T>(o.out, o.batch, n.out).p});
            }
            case op::max_pool:
                return with_tap(n, [&]<class Tap>(std::type_identity<Tap>, auto pack) {
                    machine_.launch(kernel::max_pool<T, Tap, pack>{detail::window_of(n, o.batch), image_at<T>(o.in[0], o.batch, n.in),
                                                                   image_at<T>(o.out, o.batch, n.out).p, static_cast<Tap*>(o.state)});
                });
            case op::group_norm: {
                const device_image<T> out = image_at<T>(o.out, o.batch, n.out);
                return machine_.launch(
                    kernel::group_norm<T>{out.e, groups(n), epsilon(n), o.weight, o.bias, read(o.in[0], n.in), out.p, moments(o)});
            }
            case op::batch_norm:
                return forward_norm(o);
            default:
                throw option_error("cuda: own kernels", "an operation that they compute", std::string(umsrep::name(n.kind)));
        }
    }

    void backward(const own_operands& o) {
        const node& n = *o.n;
        switch (n.kind) {
            case op::relu:
                return slope(o, kernel::relu{});
            case op::leaky_relu:
                return slope(o, kernel::leaky_relu{static_cast<float>(n.a.value)});
            case op::gelu:
                return slope(o, kernel::gelu{});
            case op::silu:
                return slope(o, kernel::silu{});
            case op::sigmoid:
                return slope(o, kernel::sigmoid{});
            case op::softmax: {
                const device_image<T> to = image_at<T>(o.grad_in[0], o.batch, n.out);
                return machine_.launch(kernel::softmax_backward<T>{to.e, read(o.grad_out, n.out), read(o.out, n.out), to.p, o.accumulate[0]});
            }
            case op::dropout:
                if (o.random == nullptr) return pass(o.batch, n.out, o.grad_out, o.grad_in[0], o.accumulate[0]);
                return drop(o, o.grad_out, o.grad_in[0], o.accumulate[0]);
            case op::concat:
                for (const int k : {0, 1})
                    if (o.grad_in[static_cast<std::size_t>(k)]) copy_slice(o, k, true);
                return;
            case op::upsample_nearest:
                return gather<kernel::upsample_nearest_backward>(o);
            case op::upsample_bilinear:
                return gather<kernel::upsample_bilinear_backward>(o);
            case op::global_avg_pool: {
                const device_image<T> to = whole_image_at<T>(o.grad_in[0], o.batch, n.in);
                return with_pack(to.e.c % 8 == 0, [&](auto pack) {
                    machine_.launch(kernel::global_average_backward<T, pack>{to.e, whole_image_at<T>(o.grad_out, o.batch, n.out), to.p,
                                                                             o.accumulate[0]});
                });
            }
            case op::max_pool:
                return with_tap(n, [&]<class Tap>(std::type_identity<Tap>, auto pack) {
                    machine_.launch(kernel::max_pool_backward<T, Tap, pack>{
                        detail::window_of(n, o.batch), image_at<T>(o.grad_out, o.batch, n.out), static_cast<const Tap*>(o.state),
                        image_at<T>(o.grad_in[0], o.batch, n.in).p, o.accumulate[0]});
                });
            case op::group_norm:
                return backward_group_norm(o);
            case op::batch_norm:
                return backward_norm(o);
            default:
                throw option_error("cuda: own kernels", "an operation that they differentiate", std::string(umsrep::name(n.kind)));
        }
    }

private:
    /// An activation of shape s to be read; none where there is no address. As part of one long row its stride does not matter.
    static kernel::pixels<const T> read(const activation_place& at, shape s) {
        return {static_cast<const T*>(at.address), at.pitch > 0 ? at.pitch : stored_channels(s.c)};
    }
    /// What is written where others of its shape are read element by element: one long row, unless one of them is a slice.
    template <class... Others>
    static device_image<T> elementwise(int batch, shape s, const activation_place& to, const Others&... others) {
        const bool slices = to.pitch > 0 || ((others.pitch > 0) || ...);
        return slices ? whole_image_at<T>(to, batch, s) : elements_at<T>(to.address, batch, s);
    }
    static kernel::u32 groups(const node& n) { return static_cast<kernel::u32>(n.a.groups); }
    static float epsilon(const node& n) { return static_cast<float>(n.a.value); }
    static kernel::moments* moments(const own_operands& o) { return static_cast<kernel::moments*>(o.state); }

    /// f(type of a number of a window's pixel, channels at a time) of a max pool.
    template <class F>
    static void with_tap(const node& n, F f) {
        with_pack(n.out.c % 8 == 0, [&](auto pack) {
            if (n.a.kernel.h * n.a.kernel.w <= 256) f(std::type_identity<unsigned char>{}, pack);
            else f(std::type_identity<kernel::u32>{}, pack);
        });
    }

    template <class F>
    void activate(const own_operands& o, F f) {
        const shape s = o.n->out;
        const device_image<T> out = elementwise(o.batch, s, o.out, o.in[0]);
        with_pack(out.e.c % 8 == 0, [&](auto n) { machine_.launch(kernel::activate<F, T, n>{f, out.e, read(o.in[0], s), out.p}); });
    }
    template <class F>
    void slope(const own_operands& o, F f) {
        const shape s = o.n->out;
        const activation_place& kept = F::keeps_output ? o.out : o.in[0];
        const device_image<T> to = elementwise(o.batch, s, o.grad_in[0], o.grad_out, kept);
        with_pack(to.e.c % 8 == 0, [&](auto n) {
            machine_.launch(kernel::activate_backward<F, T, n>{f, to.e, read(o.grad_out, s), read(kept, s), to.p, o.accumulate[0]});
        });
    }

    /// The elements that the CPU drops.
    void drop(const own_operands& o, const activation_place& from, const activation_place& to, bool accumulate) {
        const double p = o.n->a.value;
        const device_image<T> image = image_at<T>(to, o.batch, o.n->out);
        machine_.launch(kernel::dropout<T>{image.e, static_cast<kernel::u64>(p * 0x1p32), p < 1 ? static_cast<float>(1 / (1 - p)) : 0.0f,
                                           o.random, read(from, o.n->out), image.p, accumulate});
    }

    /// Input k of a concatenation: into its slice of the channels, or the slice's gradient back.
    void copy_slice(const own_operands& o, int k, bool back) {
        const std::size_t i = static_cast<std::size_t>(k);
        const shape s = o.in_shape[i];
        const int first = k == 0 ? 0 : o.in_shape[0].c;
        const device_image<T> part = image_at<T>(back ? o.grad_in[i] : o.in[i], o.batch, s);
        device_image<T> slice = image_at<T>(back ? o.grad_out : o.out, o.batch, o.n->out);
        slice.p.data += first;
        const device_image<T>&from = back ? slice : part, &to = back ? part : slice;
        with_pack(s.c % 8 == 0 && first % 8 == 0, [&](auto n) {
            machine_.launch(kernel::copy<T, T, n>{part.e, from, to.p, back && o.accumulate[i]});
        });
    }

    template <template <class, int> class Body>
    void enlarge(const own_operands& o) {
        const device_image<T> in = whole_image_at<T>(o.in[0], o.batch, o.n->in);
        const auto factor = [](int f) { return static_cast<kernel::u32>(f); };
        with_pack(in.e.c % 8 == 0, [&](auto n) {
            machine_.launch(
                Body<T, n>{in.e, factor(o.n->a.kernel.h), factor(o.n->a.kernel.w), in, whole_image_at<T>(o.out, o.batch, o.n->out).p});
        });
    }
    template <template <class, int> class Body>
    void gather(const own_operands& o) {
        const device_image<T> to = whole_image_at<T>(o.grad_in[0], o.batch, o.n->in);
        const auto factor = [](int f) { return static_cast<kernel::u32>(f); };
        with_pack(to.e.c % 8 == 0, [&](auto n) {
            machine_.launch(Body<T, n>{to.e, factor(o.n->a.kernel.h), factor(o.n->a.kernel.w),
                                       whole_image_at<T>(o.grad_out, o.batch, o.n->out), to.p, o.accumulate[0]});
        });
    }

    /// Batch_norm: by the batch, or by the moments in `state`, which are constant then.
    void forward_norm(const own_operands& o) {
        const node& n = *o.n;
        const device_image<T> in = image_at<T>(o.in[0], o.batch, n.in), out = whole_image_at<T>(o.out, o.batch, n.out);
        if (o.batch_statistics) {
            const kernel::two_steps step = detail::norm_pieces(n, o.batch);
            kernel::sum_pair* const pieces = static_cast<kernel::sum_pair*>(o.workspace);
            machine_.launch(kernel::channel_sums<T>{in.e, step, in, pieces});
            machine_.launch(kernel::channel_moments{in.e.c, step.count, pieces, static_cast<double>(in.e.pixels()), epsilon(n),
                                                    static_cast<float>(n.a.momentum), moments(o), o.running_mean, o.running_var});
        }
        with_pack(out.e.c % 8 == 0, [&](auto pack) {
            machine_.launch(
                kernel::normalize<T, pack>{out.e, read(o.in[0], n.in), moments(o), o.weight, o.bias, read(o.skip, n.out), o.relu, out.p});
        });
    }
    void backward_norm(const own_operands& o) {
        const node& n = *o.n;
        const kernel::two_steps step = detail::norm_pieces(n, o.batch);
        const device_image<T> in = image_at<T>(o.in[0], o.batch, n.in);
        kernel::sum_pair* const pieces = static_cast<kernel::sum_pair*>(o.workspace);
        auto* const means = reinterpret_cast<kernel::norm_means*>(static_cast<std::byte*>(o.workspace) +
                                                                  detail::round_to_256(step.count * in.e.c * sizeof(kernel::sum_pair)));
        const bool sums = o.batch_statistics || o.grad_weight != nullptr || o.grad_bias != nullptr;
        if (sums) {
            machine_.launch(kernel::norm_sums<T>{in.e, step, in, read(o.grad_out, n.out), {nullptr, 0}, moments(o), pieces});
            machine_.launch(kernel::norm_gradients{in.e.c, step.count, pieces,
                                                   o.batch_statistics ? static_cast<double>(in.e.pixels()) : 0.0, o.grad_weight,
                                                   o.grad_bias, means});
        }
        if (!o.grad_in[0]) return;
        const device_image<T> to = whole_image_at<T>(o.grad_in[0], o.batch, n.in);
        with_pack(to.e.c % 8 == 0, [&](auto pack) {
            if (o.batch_statistics)
                machine_.launch(kernel::normalize_backward<T, pack>{
                    to.e, o.weight, read(o.in[0], n.in), read(o.grad_out, n.out), {nullptr, 0}, moments(o), means, to.p, o.accumulate[0]});
            else // constant statistics: the input's own value has no part in it
                machine_.launch(kernel::scale_gradient<T, pack>{to.e, o.weight, read(o.grad_out, n.out), moments(o), to.p, o.accumulate[0]});
        });
    }

    void backward_group_norm(const own_operands& o) {
        const node& n = *o.n;
        const device_image<T> in = image_at<T>(o.in[0], o.batch, n.in);
        auto* const shares = static_cast<kernel::norm_share*>(o.workspace);
        auto* const means = reinterpret_cast<kernel::norm_means*>(static_cast<std::byte*>(o.workspace) +
                                                                  detail::round_to_256(in.e.n * in.e.c * sizeof(kernel::norm_share)));
        machine_.launch(kernel::group_norm_shares<T>{in.e, groups(n), in, read(o.grad_out, n.out), moments(o), shares});
        if (o.grad_weight != nullptr) machine_.launch(kernel::group_norm_parameters{in.e.n, in.e.c, shares, o.grad_weight, o.grad_bias});
        if (!o.grad_in[0]) return;
        machine_.launch(kernel::group_norm_means{in.e, groups(n), o.weight, shares, means});
        with_pack(in.e.c % 8 == 0, [&](auto pack) {
            machine_.launch(kernel::group_norm_backward<T, pack>{in.e, groups(n), o.weight, in, read(o.grad_out, n.out), moments(o), means,
                                                                 image_at<T>(o.grad_in[0], o.batch, n.in).p, o.accumulate[0]});
        });
    }

    Machine& machine_;
};

} // namespace umsrep::cuda
