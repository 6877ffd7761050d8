// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include <umsrep/core/thread_pool.hpp>

namespace umsrep::loss {

/// What a loss computes with: threads and memory. Neither changes a bit of its result.
struct workspace {
    thread_pool* pool = nullptr;    ///< null: the calling thread alone
    std::span<double> scratch = {}; ///< at least `scratch_size` of the loss, of any contents

    int threads() const { return pool != nullptr ? pool->threads() : 1; }
};

} // namespace umsrep::loss
