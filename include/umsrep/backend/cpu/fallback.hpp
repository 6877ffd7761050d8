// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cpu/families.hpp>
#include <umsrep/backend/cpu/policy.hpp>
#include <umsrep/backend/reference/reference.hpp>

namespace umsrep {

/// In a namespace of its own, so that files compiled with and without the kernels cannot be taken for one another by the linker.
inline namespace through_eigen {

/// `cpu` where the compiler cannot compile its kernels (see core/config.hpp): the reference backend in float. Every policy is exact then.
template <class Policy = winograd, cpu_families Families = cpu_families{}>
struct cpu : reference<float> {
    using policy = Policy;
    static constexpr cpu_families families = Families;

    static const char* name() { return Policy::allows_winograd ? "cpu" : "cpu<exact>"; }
    static const char* instruction_set() { return "through Eigen: this compiler lacks vector extensions"; }
};

} // namespace through_eigen
} // namespace umsrep
