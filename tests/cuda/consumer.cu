// SPDX-License-Identifier: MIT
// A user's .cu file: the library's kernels with a function of the user's, compiled by nvcc. Exits with 77 where there is no device.
#include <cmath>
#include <cstdio>
#include <vector>

#include <umsrep/backend/cuda/kernel/kernels.cuh>

namespace kernel = umsrep::cuda::kernel;

/// x^3, and its slope 3 x^2.
struct cube {
    static constexpr bool keeps_output = false;
    UMSREP_DEVICE float operator()(float x) const { return x * x * x; }
    UMSREP_DEVICE float slope(float d, float kept) const { return 3 * kept * kept * d; }
};

int main() {
    constexpr kernel::extents e{2, 5, 7, 16};
    constexpr auto size = static_cast<unsigned>(e.size());
    using body = kernel::activate<cube, kernel::bf16, 8>;

    alignas(64) static kernel::bf16 in[size], expected[size];
    for (unsigned i = 0; i < size; ++i) in[i] = kernel::number<kernel::bf16>::from(std::sin(0.1f * static_cast<float>(i)));
    kernel::map_on_host(body{{}, e, {in, e.c}, {expected, e.c}});

    int devices = 0;
    if (const cudaError_t result = cudaGetDeviceCount(&devices); result != cudaSuccess || devices == 0) {
        std::printf("skipped: no device: %s\n", cudaGetErrorString(result));
        return 77;
    }
    kernel::bf16 *from = nullptr, *to = nullptr;
    std::vector<kernel::bf16> got(size);
    cudaMalloc(&from, sizeof in);
    cudaMalloc(&to, sizeof in);
    cudaMemcpy(from, in, sizeof in, cudaMemcpyHostToDevice);
    const body on_device{{}, e, {from, e.c}, {to, e.c}};
    kernel::map_kernel<<<1, 256>>>(on_device);
    cudaMemcpy(got.data(), to, sizeof in, cudaMemcpyDeviceToHost);
    if (const cudaError_t result = cudaGetLastError(); result != cudaSuccess) {
        std::printf("failed: %s\n", cudaGetErrorString(result));
        return 1;
    }
    for (unsigned i = 0; i < size; ++i)
        if (std::fabs(kernel::to_float(got[i]) - kernel::to_float(expected[i])) > 0.01f) {
            std::printf("element %u: expected %g, got %g\n", i, kernel::to_float(expected[i]), kernel::to_float(got[i]));
            return 1;
        }
    std::printf("the same on the device\n");
    return 0;
}
