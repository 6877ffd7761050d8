// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <umsrep/backend/cuda/cuda.hpp>

#include "device.hpp"

namespace device {

/// The machine of --device cuda, which says what it could not keep on disk. Models make theirs themselves, copies of models too, so what --plans says holds for the whole program.
class machine : public umsrep::cuda::machine {
public:
    machine() : umsrep::cuda::machine(0, {.plan = plan_}) { tell(); }
    ~machine() { tell(); }

    /// As --plans; of the machines that are made from now on. Throws option_error.
    static void choose_plans(const std::string& how) {
        if (how != "first" && how != "measured") throw umsrep::option_error("plans", "measured or first", "'" + how + "'"); // of an edited file
        plan_ = how == "first" ? umsrep::cuda::plans::first : umsrep::cuda::plans::measured;
    }

private:
    void tell() const {
        if (const std::string why = problem(); !why.empty()) note(why);
    }
    static inline umsrep::cuda::plans plan_ = umsrep::cuda::plans::measured;
};

using backend = umsrep::on_cuda<umsrep::cuda::precision::bf16, machine>;

} // namespace device
