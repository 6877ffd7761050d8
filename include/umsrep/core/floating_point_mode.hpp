// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace umsrep {

/// How a thread computes with floating-point numbers: its rounding, and what becomes of denormal numbers (below 1.2e-38 in float).
/// Known on x86 and 64-bit ARM; elsewhere there is one mode only and `flushing` is the same.
class floating_point_mode {
public:
    /// That of the calling thread.
    static floating_point_mode current() { return floating_point_mode{read() & ~flags}; }

    /// Makes it that of the calling thread.
    void apply() const {
        const std::uint64_t now = read();
        if ((now & ~flags) != bits_) write((now & flags) | bits_);
    }

    /// The same, but denormal operands and results count as 0.
    floating_point_mode flushing() const { return floating_point_mode{bits_ | flush}; }

    friend bool operator==(floating_point_mode, floating_point_mode) = default;

private:
    explicit floating_point_mode(std::uint64_t bits) : bits_{bits} {}

    // `flags` record what happened, in the same register; they stay the thread's own.
#if defined(__SSE2__) || defined(_M_X64)
    static constexpr std::uint64_t flush = 0x8040, flags = 0x3f; // MXCSR: flush to zero, denormals are zero
    static std::uint64_t read() { return _mm_getcsr(); }
    static void write(std::uint64_t bits) { _mm_setcsr(static_cast<unsigned>(bits)); }
#elif defined(__aarch64__)
    static constexpr std::uint64_t flush = std::uint64_t{1} << 24, flags = 0; // FPCR: FZ
    static std::uint64_t read() {
        std::uint64_t bits;
        asm volatile("mrs %0, fpcr" : "=r"(bits));
        return bits;
    }
    static void write(std::uint64_t bits) { asm volatile("msr fpcr, %0" : : "r"(bits)); }
#else
    static constexpr std::uint64_t flush = 0, flags = 0;
    static std::uint64_t read() { return 0; }
    static void write(std::uint64_t) {}
#endif

    std::uint64_t bits_;
};

/// While it lives, denormal numbers count as 0 on the calling thread, and in what it has a `thread_pool` do, if `wanted`. A multiply-add
/// with a denormal operand takes a hundred times as long as another, and training meets them: gradients and moments fade away.
class flush_denormals {
public:
    explicit flush_denormals(bool wanted = true) : before_{floating_point_mode::current()} {
        if (wanted) before_.flushing().apply();
    }
    ~flush_denormals() { before_.apply(); }
    flush_denormals(const flush_denormals&) = delete;
    flush_denormals& operator=(const flush_denormals&) = delete;

private:
    floating_point_mode before_;
};

} // namespace umsrep
