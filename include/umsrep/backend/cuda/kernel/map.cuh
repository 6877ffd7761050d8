// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// The skeleton of all that has no sums across threads. A body is a plain structure of pointers and sizes with
///   long long count() const                       how many tasks there are, below 2^31
///   void operator()(u32 task) const               does one; no task reads what another writes
/// so that the host runs the very same body in a plain loop.
#if !defined(__CUDACC_RTC__)
template <class Body>
void map_on_host(const Body& body) {
    for (long long i = 0; i < body.count(); ++i) body(static_cast<u32>(i));
}
#endif

#if defined(__CUDACC__)
template <class Body>
__global__ void __launch_bounds__(256) map_kernel(const Body body) {
    const u32 count = static_cast<u32>(body.count());
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) body(i);
}
#endif

} // namespace umsrep::cuda::kernel
