// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <umsrep/backend/cuda/kernel/kernels.cuh>
#include <umsrep/backend/cuda/kernel_name.hpp>

namespace umsrep::test {

template <class... Bodies>
void add_kernels(std::vector<std::string>& names) {
    (names.push_back(cuda::kernel_name<Bodies>()), ...);
}

/// What handles n channels of type T at a time.
template <class T, int n>
void add_pack_kernels(std::vector<std::string>& names) {
    using namespace cuda::kernel;
    add_kernels<activate<relu, T, n>, activate<leaky_relu, T, n>, activate<gelu, T, n>, activate<sigmoid, T, n>, activate<silu, T, n>,
                activate_backward<relu, T, n>, activate_backward<leaky_relu, T, n>, activate_backward<gelu, T, n>,
                activate_backward<sigmoid, T, n>, activate_backward<silu, T, n>, copy<T, T, n>, copy<T, float, n>, copy<float, T, n>,
                from_planes<float, T, n>, upsample_nearest<T, n>, upsample_nearest_backward<T, n>, upsample_bilinear<T, n>,
                upsample_bilinear_backward<T, n>, global_average_backward<T, n>, normalize<T, n>, normalize_backward<T, n>,
                group_norm_backward<T, n>, sum_channels<T, double, n>, add_up<T, n>>(names);
}

template <class T>
void add_type_kernels(std::vector<std::string>& names) {
    using namespace cuda::kernel;
    add_pack_kernels<T, 1>(names);
    add_pack_kernels<T, 8>(names);
    add_kernels<to_planes<T, float>, dropout<T>, softmax<T>, softmax_backward<T>, global_average<T>, group_norm<T>, group_norm_shares<T>,
                max_pool<T>, max_pool_backward<T>, channel_sums<T>, norm_sums<T>, depthwise<T>, depthwise_backward<T>, depthwise_weights<T>,
                element_loss<l1_loss, T>, element_loss<l2_loss, T>, element_loss<charbonnier_loss, T>, element_loss<bce_loss, T>,
                element_loss<focal_loss, T>, overlap_pieces<T>, overlap_gradient<T>, cross_entropy<T>, focal_cross_entropy<T>,
                gradient_squares<T>, adam<T, T>, sgd<T, T>>(names);
}

/// Every kernel in every type that a network may be computed in.
inline std::vector<std::string> every_kernel() {
    using namespace cuda::kernel;
    std::vector<std::string> names;
    add_type_kernels<float>(names);
    add_type_kernels<bf16>(names);
    add_type_kernels<fp16>(names);
    add_kernels<sum_channels<double, float, 1>, make_streams, group_norm_parameters, group_norm_means, depthwise_weights_total,
                share_of_present, loss_total, overlap_planes, label_weights, share_of_labels, sum_values, prepare_step, move_average,
                channel_moments, constant_moments, norm_gradients,
                adam<float, bf16>, adam<float, fp16>, sgd<float, bf16>, sgd<float, fp16>>(names);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end()); // a copy from float to float is named thrice
    return names;
}

} // namespace umsrep::test
