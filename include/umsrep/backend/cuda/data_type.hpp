// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace umsrep::cuda {

/// How an element of a tensor is stored.
enum class data_type : std::uint8_t { float32, bfloat16, float16, int8 };

constexpr std::size_t size_of(data_type type) {
    switch (type) {
    case data_type::float32: return 4;
    case data_type::bfloat16:
    case data_type::float16: return 2;
    case data_type::int8: return 1;
    }
    return 0;
}

constexpr std::string_view name(data_type type) {
    switch (type) {
    case data_type::float32: return "fp32";
    case data_type::bfloat16: return "bf16";
    case data_type::float16: return "fp16";
    case data_type::int8: return "int8";
    }
    return "unknown";
}

/// How a network is computed. Sums, statistics and the parameters that the optimiser moves are fp32 always.
enum class precision : std::uint8_t {
    fp32, ///< stored and multiplied as fp32: the reference for accuracy
    tf32, ///< stored as fp32; tensor cores multiply the first 10 bits of the mantissa
    bf16, ///< stored and multiplied as bfloat16
    fp16, ///< stored and multiplied as half; training scales its loss
};

constexpr data_type storage_type(precision p) {
    return p == precision::bf16 ? data_type::bfloat16 : p == precision::fp16 ? data_type::float16 : data_type::float32;
}

constexpr std::string_view name(precision p) {
    switch (p) {
    case precision::fp32: return "fp32";
    case precision::tf32: return "tf32";
    case precision::bf16: return "bf16";
    case precision::fp16: return "fp16";
    }
    return "unknown";
}

} // namespace umsrep::cuda
