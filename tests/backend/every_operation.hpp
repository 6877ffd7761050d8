// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include <tests/backend/operation.hpp>

namespace umsrep::test {

struct named {
    std::string name;
    node n;
};

/// One node of every kind, with sizes that leave remainders everywhere.
inline std::vector<named> every_operation() {
    const shape s{6, 9, 11};
    const attributes pooled{.kernel = 3, .stride = 2, .padding = 1};
    return {
        {"conv", window_node(op::conv, s, 5, {.kernel = 3, .padding = 1, .bias = true})},
        {"conv, stride 2", window_node(op::conv, s, 5, {.kernel = 3, .stride = 2, .padding = 1, .bias = true})},
        {"conv, 1x1", window_node(op::conv, s, 5, {.bias = true})},
        {"conv, large", window_node(op::conv, {40, 17, 19}, 70, {.kernel = 3, .padding = 1, .bias = true})},
        {"conv, groups", window_node(op::conv, s, 4, {.kernel = 3, .padding = 1, .groups = 2, .bias = true})},
        {"conv, depthwise", window_node(op::conv, s, 6, {.kernel = 3, .padding = 1, .groups = 6, .bias = true})},
        {"conv_transpose", window_node(op::conv_transpose, s, 5, {.kernel = 2, .stride = 2, .bias = true})},
        {"conv_transpose, stride 1", window_node(op::conv_transpose, s, 5, {.kernel = 3, .bias = true})},
        {"conv_transpose, depthwise", window_node(op::conv_transpose, s, 6, {.kernel = 2, .stride = 2, .groups = 6, .bias = true})},
        {"batch_norm", plain_node(op::batch_norm, s, {.value = 1e-5})},
        {"group_norm", plain_node(op::group_norm, s, {.groups = 3, .value = 1e-5})},
        {"relu", plain_node(op::relu, s)},
        {"leaky_relu", plain_node(op::leaky_relu, s, {.value = 0.1})},
        {"gelu", plain_node(op::gelu, s)},
        {"silu", plain_node(op::silu, s)},
        {"sigmoid", plain_node(op::sigmoid, s)},
        {"softmax", plain_node(op::softmax, s)},
        {"max_pool", window_node(op::max_pool, s, s.c, pooled)},
        {"avg_pool", window_node(op::avg_pool, s, s.c, pooled)},
        {"global_avg_pool", global_node(s)},
        {"upsample_nearest", upsample_node(op::upsample_nearest, s, 2)},
        {"upsample_bilinear", upsample_node(op::upsample_bilinear, s, 2)},
        {"linear", linear_node(s, 67, true)},
        {"dropout", plain_node(op::dropout, s, {.value = 0.3})},
        {"concat", concat_node(s, 4)},
        {"add", plain_node(op::add, s)},
    };
}

} // namespace umsrep::test
