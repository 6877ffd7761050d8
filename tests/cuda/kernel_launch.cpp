// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>

#include <tests/support/message_of.hpp>
#include <umsrep/backend/cuda/device_image.hpp>
#include <umsrep/backend/cuda/kernel/kernels.cuh>
#include <umsrep/backend/cuda/kernel_launch.hpp>

namespace umsrep::test::kernel_launch {

namespace kernel = cuda::kernel;
using cuda::launch_shape;
using cuda::shape_of;

kernel::to_planes<float, float> map_of(unsigned n, unsigned h, unsigned w, unsigned c) { return {{n, h, w, c}, {nullptr, c}, nullptr}; }
kernel::sum_channels<float, double, 1> reduction_of(unsigned pieces, unsigned channels, unsigned length) {
    return {0, channels, {length, pieces}, {nullptr, channels}, nullptr};
}

TEST_CASE("maps get a thread for each task, up to what the device holds at once") {
    CHECK(shape_of(map_of(1, 1, 1, 1), 132) == launch_shape{1, 256, 1});
    CHECK(shape_of(map_of(1, 16, 16, 1), 132) == launch_shape{1, 256, 1});
    CHECK(shape_of(map_of(1, 257, 1, 1), 132) == launch_shape{2, 256, 1});
    CHECK(shape_of(map_of(32, 512, 512, 64), 132) == launch_shape{1056, 256, 1});
    CHECK(shape_of(map_of(0, 8, 8, 8), 132).blocks == 0);
}

TEST_CASE("reductions get blocks whose shape is the same on every device") {
    CHECK(shape_of(reduction_of(1, 64, 4096), 132) == launch_shape{2, 32, 8});
    CHECK(shape_of(reduction_of(1, 1, 4096), 132) == launch_shape{1, 1, 256});
    CHECK(shape_of(reduction_of(512, 64, 4096), 132) == launch_shape{1024, 32, 8});
    CHECK(shape_of(reduction_of(512, 640, 4096), 132) == launch_shape{1056, 32, 8});
    CHECK(shape_of(reduction_of(512, 640, 4096), 16) == launch_shape{128, 32, 8});
    CHECK(shape_of(reduction_of(1, 100, 1), 132) == launch_shape{1, 256, 1});
}

TEST_CASE("more tasks than a kernel counts are refused") {
    CHECK(shape_of(map_of(1, 1 << 15, (1 << 16) - 1, 1), 132).blocks == 1056);
    const std::string message = message_of<shape_mismatch>([] { shape_of(map_of(1, 1 << 15, 1 << 16, 1), 132); });
    CHECK_MESSAGE(one_line_naming(message, "to_planes<float, float>"), message);
    CHECK(one_line_naming(message, "expected at most 2147483647 tasks, got 2147483648"));
}

TEST_CASE("an activation of more elements than a row of them counts is refused, not cut off") {
    CHECK(cuda::elements_at<float>(nullptr, (1 << 16) - 1, {64, 32, 32}).e.size() == 65535LL * 65536);
    const std::string message = message_of<shape_mismatch>([] { cuda::elements_at<float>(nullptr, 1 << 16, {64, 32, 32}); });
    CHECK(one_line_naming(message, "expected at most 4294967295 elements, got 4294967296"));
}

TEST_CASE("a kernel's name tells skeleton and body") {
    const std::string map = cuda::kernel_name<kernel::dropout<kernel::bf16>>(), sum = cuda::kernel_name<kernel::softmax<float>>();
    CHECK(map.starts_with("umsrep::cuda::kernel::map_kernel<"));
    CHECK(map.find("kernel::dropout<") != std::string::npos);
    CHECK(map.find("kernel::bf16>") != std::string::npos);
    CHECK(sum.starts_with("umsrep::cuda::kernel::reduce_kernel<"));
}

} // namespace umsrep::test::kernel_launch
