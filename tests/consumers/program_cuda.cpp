// SPDX-License-Identifier: MIT
// A program that would use a GPU, and says why it does not where there is none. It links nothing of CUDA.
#include <cstdio>

#include <umsrep/backend/cuda/available.hpp>

int main() {
    const auto available = umsrep::cuda::available();
    std::printf("%s\n", available ? umsrep::cuda::describe().c_str() : available.reason.c_str());
    return available.reason.empty() ? 1 : 0;
}
