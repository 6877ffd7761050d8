// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <umsrep/backend/cuda/kernel/kernels.cuh>
#include <umsrep/backend/cuda/kernel_name.hpp>

namespace umsrep::test::kernel_list {

namespace kernel = cuda::kernel; // spelled out: layers have some of its names

template <class... Bodies>
void add_kernels(std::vector<std::string>& names) {
    (names.push_back(cuda::kernel_name<Bodies>()), ...);
}

/// What handles n channels of type T at a time.
template <class T, int n>
void add_pack_kernels(std::vector<std::string>& names) {
    add_kernels<kernel::activate<kernel::relu, T, n>, kernel::activate<kernel::leaky_relu, T, n>, kernel::activate<kernel::gelu, T, n>,
                kernel::activate<kernel::sigmoid, T, n>, kernel::activate<kernel::silu, T, n>,
                kernel::activate_backward<kernel::relu, T, n>, kernel::activate_backward<kernel::leaky_relu, T, n>,
                kernel::activate_backward<kernel::gelu, T, n>, kernel::activate_backward<kernel::sigmoid, T, n>,
                kernel::activate_backward<kernel::silu, T, n>, kernel::copy<T, T, n>, kernel::copy<T, float, n>, kernel::copy<float, T, n>,
                kernel::from_planes<float, T, n>, kernel::upsample_nearest<T, n>, kernel::upsample_nearest_backward<T, n>,
                kernel::upsample_bilinear<T, n>, kernel::upsample_bilinear_backward<T, n>, kernel::global_average_backward<T, n>,
                kernel::normalize<T, n>, kernel::normalize_backward<T, n>, kernel::scale_gradient<T, n>, kernel::group_norm_backward<T, n>,
                kernel::sum_channels<T, double, n>, kernel::add_up<T, n>, kernel::max_pool<T, unsigned char, n>,
                kernel::max_pool<T, kernel::u32, n>, kernel::max_pool_backward<T, unsigned char, n>,
                kernel::max_pool_backward<T, kernel::u32, n>>(names);
}

template <class T>
void add_type_kernels(std::vector<std::string>& names) {
    add_pack_kernels<T, 1>(names);
    add_pack_kernels<T, 8>(names);
    add_kernels<kernel::to_planes<T, float>, kernel::dropout<T>, kernel::softmax<T>, kernel::softmax_backward<T>, kernel::global_average<T>,
                kernel::group_norm<T>, kernel::group_norm_shares<T>, kernel::channel_sums<T>, kernel::norm_sums<T>,
                kernel::element_loss<kernel::l1_loss, T>, kernel::element_loss<kernel::l2_loss, T>,
                kernel::element_loss<kernel::charbonnier_loss, T>, kernel::element_loss<kernel::bce_loss, T>,
                kernel::element_loss<kernel::focal_loss, T>, kernel::overlap_pieces<T>, kernel::overlap_gradient<T>,
                kernel::cross_entropy<T>, kernel::focal_cross_entropy<T>, kernel::gradient_squares<T>, kernel::adam<T, T>,
                kernel::fold_weight<T>, kernel::sgd<T, T>, kernel::similarity_gradient<T>>(names);
}

/// Every kernel in every type that a network may be computed in.
inline std::vector<std::string> every_kernel() {
    std::vector<std::string> names;
    add_type_kernels<float>(names);
    add_type_kernels<kernel::bf16>(names);
    add_type_kernels<kernel::fp16>(names);
    add_kernels<kernel::sum_channels<double, float, 1>, kernel::make_streams, kernel::group_norm_parameters, kernel::group_norm_means,
                kernel::share_of_present, kernel::loss_total, kernel::overlap_planes,
                kernel::label_weights, kernel::share_of_labels, kernel::sum_values, kernel::prepare_step, kernel::move_average,
                kernel::plane_errors, kernel::halve_planes, kernel::smooth_rows, kernel::compare_planes, kernel::spread_columns,
                kernel::spread_rows, kernel::judge_planes, kernel::fold_scales, kernel::channel_moments, kernel::constant_moments,
                kernel::fold_bias, kernel::norm_gradients, kernel::adam<float, kernel::bf16>, kernel::adam<float, kernel::fp16>,
                kernel::sgd<float, kernel::bf16>, kernel::sgd<float, kernel::fp16>>(names);
    add_kernels<kernel::advance_parts, kernel::swap_values, kernel::copy_memory, kernel::change_pixels>(names);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end()); // a copy from float to float is named thrice
    return names;
}

} // namespace umsrep::test::kernel_list
