// SPDX-License-Identifier: MIT
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>
#include <umsrep/backend/cuda/available.hpp>
#include <umsrep/backend/cuda/device.hpp>

using namespace umsrep;
using test::message_of;

namespace available_test {

/// A machine that has everything.
cuda::machine_facts complete() {
    cuda::machine_facts facts;
    facts.driver_version = 13000;
    facts.devices = {{"NVIDIA A100", 80}, {"NVIDIA H200", 90}, {"Tesla V100", 70}};
    facts.cudnn_version = 91900;
    facts.cudnn_runtime = 13000;
    facts.nvrtc_version = 13000;
    return facts;
}

} // namespace available_test

TEST_CASE("cuda is available where driver, device and cuDNN are there and recent enough") {
    CHECK(cuda::judge(available_test::complete(), 0));
    CHECK(cuda::judge(available_test::complete(), 1).reason == "NVIDIA H200");
}

TEST_CASE("each thing that is missing, too old or does not fit is named") {
    const auto reason = [](auto spoil, int device = 0) {
        cuda::machine_facts facts = available_test::complete();
        spoil(facts);
        const cuda::availability a = cuda::judge(facts, device);
        CHECK_FALSE(a.ok);
        return a.reason;
    };
    CHECK(reason([](auto& f) { f.driver_failure = "NVIDIA driver: expected libcuda.so.1 to be loadable, got nothing"; }) ==
          "cuda: NVIDIA driver: expected libcuda.so.1 to be loadable, got nothing");
    CHECK(reason([](auto& f) { f.devices.clear(); }) == "cuda: expected an NVIDIA device, got none (the driver is there)");
    CHECK(reason([](auto&) {}, 3) == "cuda: expected a device number below 3, got 3");
    CHECK(reason([](auto&) {}, -1) == "cuda: expected a device number below 3, got -1");
    CHECK(reason([](auto&) {}, 2) == "cuda: Tesla V100: expected architecture sm_80 or newer, got sm_70");
    CHECK(reason([](auto& f) { f.cudnn_failure = "cuDNN: expected libcudnn_graph.so.9 to be loadable, got nothing"; }) ==
          "cuda: cuDNN: expected libcudnn_graph.so.9 to be loadable, got nothing");
    CHECK(reason([](auto& f) { f.cudnn_version = 90701; }) == "cuda: cuDNN: expected 9.8.0 or newer, got 9.7.1");
    CHECK(reason([](auto& f) { f.cudnn_version = 100000; }) ==
          "cuda: cuDNN: expected version 9, which this program was compiled with, got 10.0.0");
    CHECK(reason([](auto& f) { f.driver_version = 12040; }) ==
          "cuda: NVIDIA driver: expected one for CUDA 13.0, which cuDNN needs, got one for CUDA 12.4");
    CHECK(reason([](auto& f) { f.nvrtc_failure = "NVRTC: expected libnvrtc.so.13 to be loadable, got nothing"; }) ==
          "cuda: NVRTC: expected libnvrtc.so.13 to be loadable, got nothing");
}

TEST_CASE("what this machine lacks is said, from any thread, and nothing crashes") {
    std::vector<std::string> reasons(4);
    std::vector<std::thread> threads;
    for (std::string& r : reasons) threads.emplace_back([&r] { r = cuda::available().reason; });
    for (std::thread& t : threads) t.join();
    const cuda::availability a = cuda::available();
    for (const std::string& r : reasons) CHECK(r == a.reason);
    MESSAGE(a.reason);
    if (a) return;
    CHECK(a.reason.find('\n') == std::string::npos);
    CHECK(message_of<device_error>([] { const cuda::device d; }) == a.reason);
    CHECK(cuda::describe() == a.reason);
}

TEST_CASE("a library that is not there is refused with all names that were tried") {
    CHECK(message_of<device_error>([] {
              const cuda::library none("NVIDIA driver", {"libumsrep-none.so.1", "libumsrep-none.so"});
          }) ==
          "NVIDIA driver: expected libumsrep-none.so.1 or libumsrep-none.so to be loadable, got libumsrep-none.so.1: cannot open shared "
          "object "
          "file: No such file or directory");
}

TEST_CASE("of several names the first that is there is opened, and a function that it lacks is named") {
    const cuda::library mathematics("mathematics", {"libumsrep-none.so", "libm.so.6"});
    CHECK(mathematics.name() == "libm.so.6");
    double (*cosine)(double) = nullptr;
    mathematics.resolve(cosine, "cos");
    CHECK(cosine(0.0) == 1.0);
    CHECK(message_of<device_error>([&] { mathematics.resolve(cosine, "cuCosine"); }) ==
          "libm.so.6: expected a function cuCosine, got none of that name");
}
