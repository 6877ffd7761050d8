// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

namespace support {

/// For engines that cuDNN compiles: it looks for a driver first. The toolkit's stub has the driver's name, so cuDNN finds it once it is
/// loaded.
inline void load_driver_or_stub() {
    if (::dlopen("libcuda.so.1", RTLD_NOW) == nullptr) REQUIRE_MESSAGE(::dlopen(UMSREP_CUDA_STUB, RTLD_NOW) != nullptr, ::dlerror());
}

/// Whether every graph is to be asked for, which takes minutes.
inline bool everything() {
    const char* const value = std::getenv("UMSREP_CUDA_SUPPORT");
    return value != nullptr && std::string_view(value) == "all";
}

} // namespace support
