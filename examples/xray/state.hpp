// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "network.hpp"
#include "session.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<xray::policy>;

namespace xray {

/// Images computed together.
inline constexpr int capacity = 16;

struct session::state {
    umsrep::task_models<network, backend> models;

    state(int size, std::uint64_t seed, int threads)
        : models{umsrep::model<network, backend>{umsrep::seed{seed}, umsrep::extent{size, size}, umsrep::batch{capacity}, umsrep::threads{threads}}} {}
};

} // namespace xray
