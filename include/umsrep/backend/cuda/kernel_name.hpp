// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <umsrep/backend/cuda/kernel/map.cuh>
#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/core/type_name.hpp>

namespace umsrep::cuda {

/// A body of the skeleton `reduce`; every other one is of `map`.
template <class Body>
concept reduction = requires { typename Body::sums; };

/// The kernel that runs bodies of this type, as C++ that NVRTC understands: "umsrep::cuda::kernel::map_kernel<...::activate<...> >".
template <class Body>
std::string kernel_name() {
    const std::string skeleton = reduction<Body> ? "reduce_kernel<" : "map_kernel<";
    return "umsrep::cuda::kernel::" + skeleton + std::string(type_name<Body>()) + ">";
}

} // namespace umsrep::cuda
