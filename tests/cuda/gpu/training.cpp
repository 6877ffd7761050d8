// SPDX-License-Identifier: MIT
// Training on a real device, as tests/cuda/training has it on the host.
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include <tests/cuda/recorded_checks.hpp>
#include <tests/cuda/training_checks.hpp>

using namespace umsrep;
using namespace umsrep::test;
using cuda::precision;

namespace {

/// True where there is a device; else says why not, in the words by which CTest knows a skipped test.
bool there_is_one() {
    const cuda::availability a = cuda::available();
    if (!a) MESSAGE("skipped: " << a.reason);
    return a.ok;
}

/// Measures nothing: there are many small graphs here.
using quick_machine = cuda::machine_with<cuda::machine_options{.plan = cuda::plans::first}>;

} // namespace

TEST_CASE("ten steps on a device in fp32 are the reference's, whatever the strategy, the optimiser and the options") {
    if (there_is_one()) check_all_kinds_of_steps<precision::fp32, quick_machine>();
}

TEST_CASE("ten steps on a device in 16 bits are nearly the reference's") {
    if (!there_is_one()) return;
    check_ten_steps<precision::bf16, quick_machine>(joint<all>{}, calm_sgd, {}, some_labels);
    check_ten_steps<precision::fp16, quick_machine>(alternating<all>{}, calm_sgd);
}

TEST_CASE("a run whose pixels are changed on the device is the host's, whose loader changes them") {
    if (there_is_one()) check_recorded_run<quick_machine>(joint<all>{});
}

TEST_CASE("two runs on a device end in the same bits: the second takes the plans that were measured in the first") {
    if (!there_is_one()) return;
    std::vector<float> ends[2];
    for (std::vector<float>& end : ends) {
        dropping_on<precision::bf16, cuda::machine> m{seed{1}, batch{4}};
        auto samples = tiny_loader(m, {10, some_labels});
        fit(m, joint<all>{}, samples, nullptr, calm_adamw, {.epochs = 4});
        end = copy(std::as_const(m).parameters());
    }
    CHECK(same_bits(ends[0], ends[1]));
}
