// SPDX-License-Identifier: MIT
#pragma once

// The kernels' sources are read by three compilers: NVRTC, which has no headers at all, nvcc in a user's .cu file, and the host's, which
// fills the same structures in and tests them. So they name no standard type.

#if !defined(__CUDACC_RTC__)
#include <math.h>
#endif

#if defined(__CUDACC__)
#define UMSREP_DEVICE __host__ __device__
#else
#define UMSREP_DEVICE
#endif

namespace umsrep::cuda::kernel {

using u32 = unsigned int;
using u64 = unsigned long long;

template <class T>
UMSREP_DEVICE constexpr T least(T a, T b) {
    return b < a ? b : a;
}
template <class T>
UMSREP_DEVICE constexpr T largest(T a, T b) {
    return a < b ? b : a;
}

/// How many pieces of `length` cover `size`.
UMSREP_DEVICE constexpr long long pieces(long long size, long long length) { return (size + length - 1) / length; }

} // namespace umsrep::cuda::kernel
