// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "network.hpp"
#include "session.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::reference<float>;

namespace xray {

/// Images computed together.
inline constexpr int capacity = 16;

struct session::state {
    umsrep::task_models<network> models;

    state(int size, std::uint64_t seed, int threads)
        : models{umsrep::model<network>{umsrep::seed{seed}, umsrep::extent{size, size}, umsrep::batch{capacity}, umsrep::threads{threads}}} {}
};

} // namespace xray
