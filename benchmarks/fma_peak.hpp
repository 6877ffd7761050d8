// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string_view>

#include <Eigen/Core>

#include <umsrep/core/thread_pool.hpp>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define BENCHMARKS_X86 1
#endif

namespace benchmarks {

/// GFLOP/s of multiply-adds that never leave the registers: what no kernel that multiplies and adds once per MAC can exceed.
struct fma_peak {
    const char* instructions = "";
    double one_thread = 0, all_threads = 0;
};

namespace detail {

/// Independent chains: two units with a latency of four cycles need eight; with the two constants they fit into 16 registers.
inline constexpr int chains = 12;

struct fma_chain {
    const char* instructions;
    int lanes;
    float (*run)(long rounds, float factor, float term);
};

#ifdef BENCHMARKS_X86
// Arrays of vectors become registers once their loops are unrolled, which GCC does at -O2 only when told.
[[gnu::target("avx512f")]] inline float run_avx512(long rounds, float factor, float term) {
    const __m512 f = _mm512_set1_ps(factor), t = _mm512_set1_ps(term);
    __m512 a[chains];
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) a[i] = _mm512_set1_ps(static_cast<float>(i));
    for (long round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) a[i] = _mm512_fmadd_ps(a[i], f, t);
    }
#pragma GCC unroll 12
    for (int i = 1; i < chains; ++i) a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_cvtss_f32(a[0]);
}

[[gnu::target("avx2,fma")]] inline float run_avx2(long rounds, float factor, float term) {
    const __m256 f = _mm256_set1_ps(factor), t = _mm256_set1_ps(term);
    __m256 a[chains];
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) a[i] = _mm256_set1_ps(static_cast<float>(i));
    for (long round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) a[i] = _mm256_fmadd_ps(a[i], f, t);
    }
#pragma GCC unroll 12
    for (int i = 1; i < chains; ++i) a[0] = _mm256_add_ps(a[0], a[i]);
    return _mm256_cvtss_f32(a[0]);
}
#endif

/// The vectors that this file is compiled for: SSE2 or NEON without further flags.
inline float run_compiled(long rounds, float factor, float term) {
    using namespace Eigen::internal;
    using packet = packet_traits<float>::type;
    const packet f = pset1<packet>(factor), t = pset1<packet>(term);
    packet a[chains];
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) a[i] = pset1<packet>(static_cast<float>(i));
    for (long round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) a[i] = pmadd(a[i], f, t);
    }
#pragma GCC unroll 12
    for (int i = 1; i < chains; ++i) a[0] = padd(a[0], a[i]);
    return pfirst(a[0]);
}

/// The widest set that the processor has, and that UMSREP_CPU allows: a kernel held to AVX2 is compared with the peak of AVX2.
inline fma_chain widest_chain() {
    const fma_chain compiled{"portable", Eigen::internal::packet_traits<float>::size, run_compiled};
#ifdef BENCHMARKS_X86
    const char* set = std::getenv("UMSREP_CPU");
    const std::string_view limit = set == nullptr || *set == '\0' ? "avx512" : set;
    if (limit == "avx512" && __builtin_cpu_supports("avx512f")) return {"AVX-512", 16, run_avx512};
    if ((limit == "avx512" || limit == "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"AVX2", 8, run_avx2};
#endif
    return compiled;
}

/// The best of several trials of about 10 ms: other programs only ever make it slower.
inline double gflops(const fma_chain& chain, int threads) {
    constexpr int trials = 20;
    constexpr long rounds = 4'000'000;
    volatile float factor = 0.5f, term = 1.0f, sink = 0; // unknown to the compiler; the chains settle at 2
    umsrep::thread_pool pool{threads};
    double best = std::numeric_limits<double>::infinity();
    for (int trial = 0; trial < trials; ++trial) {
        const auto start = std::chrono::steady_clock::now();
        pool.run(threads, [&](int task) {
            const float result = chain.run(rounds, factor, term);
            if (task == 0) sink = result;
        });
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 2e-9 * chains * chain.lanes * rounds * threads / best;
}

} // namespace detail

/// Measures the peak of one core and of `threads` together; takes half a second.
inline fma_peak measure_fma_peak(int threads) {
    const detail::fma_chain chain = detail::widest_chain();
    const double one = detail::gflops(chain, 1);
    return {chain.instructions, one, threads == 1 ? one : detail::gflops(chain, threads)};
}

} // namespace benchmarks
