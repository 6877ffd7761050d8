// SPDX-License-Identifier: MIT
#pragma once

/// UMSREP_CPU_FALLBACK: 1 where the compiler lacks what the CPU backend's kernels are written in (vector types, a target for each function, as
/// GCC and Clang have them), so that `cpu<>` computes through Eigen. May be set to 1 for the whole program; a macro, because it decides what is parsed.
#if !defined(UMSREP_CPU_FALLBACK)
#if defined(__GNUC__)
#define UMSREP_CPU_FALLBACK 0
#else
#define UMSREP_CPU_FALLBACK 1
#endif
#endif
