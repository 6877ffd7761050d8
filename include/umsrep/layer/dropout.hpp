// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

/// In training, zeroes each element with the given probability and scales the rest by 1 / (1 - probability); at inference, nothing.
/// Srivastava et al., 2014.
template <real Probability>
struct dropout {};

} // namespace umsrep
