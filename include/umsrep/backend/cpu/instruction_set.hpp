// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <umsrep/backend/cpu/kernel/row_table.hpp>
#include <umsrep/backend/cpu/kernel/table.hpp>
#include <umsrep/backend/cpu/kernel/winograd_points.hpp>
#include <umsrep/core/error.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// The same kernels, compiled for each instruction set by a pragma, whatever flags the program is built with. Functions that the
// compiler inlines into one another must be of one set, so all of them are in the namespace of theirs.

namespace umsrep::cpu_ops::portable {
inline constexpr const char* instruction_set_name = "portable";
#include <umsrep/backend/cpu/kernel/vector_portable.inl>
#include <umsrep/backend/cpu/kernel/kernels.inl>
} // namespace umsrep::cpu_ops::portable

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace umsrep::cpu_ops::avx2 {
inline constexpr const char* instruction_set_name = "avx2";
#include <umsrep/backend/cpu/kernel/vector_avx2.inl>
#include <umsrep/backend/cpu/kernel/kernels.inl>
} // namespace umsrep::cpu_ops::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")
#endif
namespace umsrep::cpu_ops::avx512 {
inline constexpr const char* instruction_set_name = "avx512";
#include <umsrep/backend/cpu/kernel/vector_avx512.inl>
#include <umsrep/backend/cpu/kernel/kernels.inl>
} // namespace umsrep::cpu_ops::avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif

namespace umsrep::cpu_ops {

/// The kernels of the instruction set called `name`; null where this machine lacks it.
inline const kernel_table* find_kernels(std::string_view name) {
    if (name == "portable") return &portable::table;
#if defined(__x86_64__)
    if (name == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2::table;
    if (name == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
        return &avx512::table;
#endif
    return nullptr;
}

/// The kernels of the instruction set called `wanted`; of the widest that the machine has where no name is given. Throws device_error when
/// there is none of that name or the machine lacks it.
inline const kernel_table& choose_kernels(std::string_view wanted) {
    if (!wanted.empty()) {
        const kernel_table* const found = find_kernels(wanted);
        if (found == nullptr) throw device_error("UMSREP_CPU", "portable, avx2 or avx512, and a machine that has it", std::string(wanted));
        return *found;
    }
    for (const char* name : {"avx512", "avx2"})
        if (const kernel_table* found = find_kernels(name)) return *found;
    return portable::table;
}

/// The kernels in use: those that the environment variable UMSREP_CPU names, or the widest. Decided once.
inline const kernel_table& kernels() {
    static const kernel_table& chosen = choose_kernels(std::getenv("UMSREP_CPU") != nullptr ? std::getenv("UMSREP_CPU") : "");
    return chosen;
}

/// `choose` of the families of the instruction set that a table belongs to.
template <class Choose>
const auto& of_set([[maybe_unused]] const kernel_table& k, Choose choose) {
#if defined(__x86_64__)
    const std::string_view name = k.name; // not the table's address, of which each shared library may have one
    if (name == avx512::instruction_set_name) return choose(avx512::families{});
    if (name == avx2::instruction_set_name) return choose(avx2::families{});
#endif
    return choose(portable::families{});
}
inline const average_table& averages(const kernel_table& k) {
    return of_set(k, [](auto set) -> const average_table& { return decltype(set)::averages; });
}
inline const blend_table& blends(const kernel_table& k) {
    return of_set(k, [](auto set) -> const blend_table& { return decltype(set)::blends; });
}
inline const depthwise_table& depthwises(const kernel_table& k) {
    return of_set(k, [](auto set) -> const depthwise_table& { return decltype(set)::depthwises; });
}
inline const dropout_table& dropouts(const kernel_table& k) {
    return of_set(k, [](auto set) -> const dropout_table& { return decltype(set)::dropouts; });
}
inline const activation_table& activations(const kernel_table& k) {
    return of_set(k, [](auto set) -> const activation_table& { return decltype(set)::activations; });
}

} // namespace umsrep::cpu_ops
