// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <dlfcn.h>

#include <umsrep/core/error.hpp>

namespace umsrep::cuda {

/// A call into one of CUDA's libraries that failed: what was asked for, and the library's own words.
class cuda_error : public device_error { using device_error::device_error; };
/// One that failed because memory had run out: what was asked for may be good another time.
class memory_error : public cuda_error { using cuda_error::cuda_error; };

/// A shared library that is opened while the program runs, so that one program serves machines with and without a GPU. It stays open
/// until the program ends: CUDA's libraries have threads and exit handlers of their own.
class library {
public:
    /// Opens the first of `names` that the dynamic linker finds. Throws device_error with all names and the linker's words.
    library(std::string_view what, std::initializer_list<const char*> names) {
        std::string tried, cause;
        for (const char* name : names) {
            handle_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
            if (handle_ != nullptr) {
                name_ = name;
                return;
            }
            const char* const words = ::dlerror();
            tried += (tried.empty() ? "" : " or ") + std::string(name);
            if (cause.empty()) cause = words != nullptr ? words : "no reason given";
        }
        throw device_error(std::string(what), tried + " to be loadable", cause);
    }

    /// The name that was found.
    const std::string& name() const { return name_; }

    /// Points `function` to what the library calls `symbol`. Throws device_error where it has none of that name.
    template <class Function>
    void resolve(Function*& function, const char* symbol) const {
        function = reinterpret_cast<Function*>(::dlsym(handle_, symbol));
        if (function == nullptr) throw device_error(name_, std::string("a function ") + symbol, "none of that name");
    }

private:
    void* handle_ = nullptr;
    std::string name_;
};

} // namespace umsrep::cuda
