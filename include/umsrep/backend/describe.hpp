// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace umsrep {

/// A backend in words, with what of this machine it uses: "cpu, avx512", "cpu<exact>, portable", "reference", "cuda<bf16>, NVIDIA H200
/// (sm_90), ...".
template <class Backend>
std::string describe_backend() {
    std::string text = Backend::name();
    if constexpr (requires { Backend::instruction_set(); }) text += std::string(", ") + Backend::instruction_set();
    if constexpr (requires { Backend::device(); }) text += ", " + Backend::device();
    return text;
}

} // namespace umsrep
