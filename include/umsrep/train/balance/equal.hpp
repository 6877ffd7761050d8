// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace umsrep::balance {

/// Every loss counts as it is: the same bits as without a policy. Fixed weights are `train_options::head_weights`, which every policy's
/// weights are multiplied by.
struct equal {
    static constexpr std::string_view name = "equal";
};

} // namespace umsrep::balance
