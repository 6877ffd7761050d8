// SPDX-License-Identifier: MIT
// The kernels themselves, compiled by the host's compiler with a thread of the host for each thread of a block: indices, shared memory and
// barriers are those of the device, only block follows block. A program of its own, for it says that CUDA compiles it.
#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <umsrep/core/random.hpp>

namespace {
struct position {
    unsigned x = 0, y = 0;
};
thread_local position threadIdx, blockIdx;
position blockDim, gridDim;
std::barrier<>* block_barrier = nullptr;
void __syncthreads() { block_barrier->arrive_and_wait(); }
} // namespace

#define __CUDACC__
#define __host__
#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)
#include <umsrep/backend/cuda/kernel/kernels.cuh>
#undef __CUDACC__
#include <umsrep/backend/cuda/kernel_launch.hpp>

namespace umsrep::test::kernel_threads {

using namespace cuda::kernel;

/// Launches as on a device of so many multiprocessors.
template <class Body>
void launch(const Body& body, int multiprocessors) {
    const cuda::launch_shape shape = cuda::shape_of(body, multiprocessors);
    blockDim = {shape.threads_x, shape.threads_y};
    gridDim = {shape.blocks, 1};
    std::barrier<> barrier(static_cast<std::ptrdiff_t>(shape.threads_x * shape.threads_y));
    block_barrier = &barrier;
    std::vector<std::thread> threads;
    for (unsigned y = 0; y < shape.threads_y; ++y)
        for (unsigned x = 0; x < shape.threads_x; ++x)
            threads.emplace_back([&, x, y] {
                threadIdx = {x, y};
                for (unsigned block = 0; block < shape.blocks; ++block) {
                    blockIdx = {block, 0};
                    if constexpr (cuda::reduction<Body>) reduce_kernel(body);
                    else map_kernel(body);
                    barrier.arrive_and_wait(); // the next block's shared memory is this one's
                }
            });
    for (std::thread& t : threads) t.join();
}

std::vector<float> numbers(std::size_t size) {
    random_stream random(seed{size}, "threads");
    std::vector<float> x(size);
    for (float& v : x) v = random.normal();
    return x;
}

/// Counts how often every task is done.
struct counting {
    long long tasks;
    std::atomic<int>* done;
    long long count() const { return tasks; }
    void operator()(u32 task) const { ++done[task]; }
};

TEST_CASE("a map does every task once, whatever the numbers of tasks and blocks") {
    for (const long long tasks : {0LL, 1LL, 255LL, 256LL, 257LL, 2048LL, 2049LL, 5000LL}) { // one multiprocessor: 8 blocks, 2048 threads
        std::vector<std::atomic<int>> done(static_cast<std::size_t>(tasks));
        launch(counting{tasks, done.data()}, 1);
        for (const auto& times : done) CHECK(times == 1);
    }
}

TEST_CASE("a reduction on threads has the bits of the one on the host, however many blocks there are") {
    for (const u32 channels : {1u, 3u, 40u, 700u})
        for (const u32 length : {1u, 5u, 64u, 300u}) {
            CAPTURE(channels);
            CAPTURE(length);
            const auto x = numbers(std::size_t{channels} * length * 3);
            std::vector<double> on_host(3 * channels), on_threads(3 * channels), on_many(3 * channels);
            const auto body = [&](std::vector<double>& to) {
                return sum_channels<float, double, 1>{3LL * length, channels, {length, 3}, {x.data(), channels}, to.data()};
            };
            reduce_on_host(body(on_host));
            launch(body(on_threads), 1); // most outputs are a later round of a block
            launch(body(on_many), 100);
            CHECK(on_threads == on_host);
            CHECK(on_many == on_host);
        }
}

TEST_CASE("what is applied after a reduction sees the sum of its own output") {
    for (const u32 channels : {2u, 9u, 300u}) {
        CAPTURE(channels);
        const extents e{2, 7, 5, channels};
        const auto x = numbers(static_cast<std::size_t>(e.size()));
        std::vector<float> on_host(x.size()), on_threads(x.size());
        const pixels<const float> in{x.data(), channels};
        reduce_on_host(softmax<float>{e, in, {on_host.data(), channels}});
        launch(softmax<float>{e, in, {on_threads.data(), channels}}, 1);
        CHECK(on_threads == on_host);

        std::vector<moments> kept(4), kept_on_threads(4);
        const u32 groups = channels % 2 == 0 ? 2 : 1;
        reduce_on_host(group_norm<float>{e, groups, 1e-5f, nullptr, nullptr, in, {on_host.data(), channels}, kept.data()});
        launch(group_norm<float>{e, groups, 1e-5f, nullptr, nullptr, in, {on_threads.data(), channels}, kept_on_threads.data()}, 1);
        CHECK(on_threads == on_host);
    }
}

} // namespace umsrep::test::kernel_threads
