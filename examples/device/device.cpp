// SPDX-License-Identifier: MIT
#include "device.hpp"

#include <algorithm>
#include <iostream>
#include <set>

#include <umsrep/core/error.hpp>

#if defined(EXAMPLES_WITH_CUDA)
#include <umsrep/backend/cuda/available.hpp>
#endif

namespace device {

namespace {

struct availability {
    bool ok;
    std::string reason;
};

availability cuda() {
#if defined(EXAMPLES_WITH_CUDA)
    const umsrep::cuda::availability a = umsrep::cuda::available();
    return {a.ok, a.reason};
#else
    return {false, "cuda: this program was built without it; it needs the headers of CUDA and cuDNN (cmake -D UMSREP_CUDA=ON says which are missing)"};
#endif
}

} // namespace

std::string choose(const std::string& asked) {
    if (asked == "cpu") return asked;
    if (std::ranges::find(names, asked) == names.end()) throw umsrep::option_error("device", "cpu, cuda or auto", "'" + asked + "'"); // of an edited file
    const availability a = cuda();
    if (asked == "cuda") {
        if (!a.ok) throw umsrep::device_error("--device " + a.reason);
        return asked;
    }
    std::cerr << "device " << (a.ok ? "cuda: " : "cpu: ") << a.reason << '\n';
    return a.ok ? "cuda" : "cpu";
}

void note(const std::string& problem) {
    static std::set<std::string> said;
    if (said.insert(problem).second) std::cerr << "note: " << problem << '\n';
}

} // namespace device
