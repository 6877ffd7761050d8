// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// The skeleton of all sums. `outputs()` sums of `length()` terms each; a body is a plain structure with
///   using sums = ...                                         an aggregate; all zero is the sum of nothing
///   long long outputs() const, u32 length() const            outputs: below 2^31
///   u32 neighbours() const                                   so many outputs in a row lie next to each other in memory; 1: the terms do
///   void add(sums&, u32 output, u32 term) const
///   static void merge(sums& to, const sums& from)
///   void finish(u32 output, const sums& all) const           once for each output, when its sum is known
///   static constexpr bool applies                            whether there is
///   void apply(u32 output, u32 term, const sums& all) const  then, once for each term
///
/// A block of reduce_threads threads makes `across` outputs side by side. Thread t of an output's adds the terms t, t + threads, ... and a
/// tree adds what the threads have: an order that depends on the shape alone, the same every time and on every device.
inline constexpr u32 reduce_threads = 256;

/// How many outputs a block makes side by side: neighbours, for coalesced reads; more where an output has too few terms for its threads.
UMSREP_DEVICE constexpr u32 reduce_across(u32 neighbours, u32 length) {
    u32 across = 1;
    while (across < 32 && 2 * across <= neighbours) across *= 2;
    while (across < reduce_threads && reduce_threads / across > length) across *= 2;
    return across;
}

#if !defined(__CUDACC_RTC__)
/// The same sums in the same order.
template <class Body>
void reduce_on_host(const Body& body) {
    const u32 length = body.length(), threads = reduce_threads / reduce_across(body.neighbours(), length);
    for (long long i = 0; i < body.outputs(); ++i) {
        const u32 output = static_cast<u32>(i);
        typename Body::sums part[reduce_threads] = {};
        for (u32 t = 0; t < threads; ++t)
            for (u32 term = t; term < length; term += threads) body.add(part[t], output, term);
        for (u32 half = threads / 2; half > 0; half /= 2)
            for (u32 t = 0; t < half; ++t) Body::merge(part[t], part[t + half]);
        body.finish(output, part[0]);
        if constexpr (Body::applies)
            for (u32 term = 0; term < length; ++term) body.apply(output, term, part[0]);
    }
}
#endif

#if defined(__CUDACC__)
/// Blocks of (across, reduce_threads / across) threads.
template <class Body>
__global__ void __launch_bounds__(reduce_threads) reduce_kernel(const Body body) {
    using sums = typename Body::sums;
    alignas(sums) __shared__ unsigned char room[reduce_threads * sizeof(sums)];
    sums* const part = reinterpret_cast<sums*>(room);
    sums& mine = part[threadIdx.y * blockDim.x + threadIdx.x];
    const u32 outputs = static_cast<u32>(body.outputs()), length = body.length();
    for (u32 first = blockIdx.x * blockDim.x; first < outputs; first += gridDim.x * blockDim.x) {
        const u32 output = first + threadIdx.x;
        const bool there = output < outputs;
        sums s = {};
        if (there)
            for (u32 term = threadIdx.y; term < length; term += blockDim.y) body.add(s, output, term);
        mine = s;
        for (u32 half = blockDim.y / 2; half > 0; half /= 2) {
            __syncthreads();
            if (threadIdx.y < half) Body::merge(mine, part[(threadIdx.y + half) * blockDim.x + threadIdx.x]);
        }
        __syncthreads();
        const sums all = part[threadIdx.x];
        if (there && threadIdx.y == 0) body.finish(output, all);
        if constexpr (Body::applies)
            if (there)
                for (u32 term = threadIdx.y; term < length; term += blockDim.y) body.apply(output, term, all);
        __syncthreads(); // all have read before the next outputs overwrite
    }
}
#endif

/// A sum of many terms in two launches: terms [piece length, ...) of each piece first, then the pieces.
struct two_steps {
    u32 length, count;
};
/// Pieces of at least `least_length` terms, 512 of them at most.
UMSREP_DEVICE constexpr two_steps cut(long long terms, u32 least_length) {
    const u32 length = largest(least_length, static_cast<u32>(pieces(terms, 512)));
    return {length, static_cast<u32>(pieces(terms, length))};
}

} // namespace umsrep::cuda::kernel
