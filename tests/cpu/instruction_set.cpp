// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include <tests/cpu/backends.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

TEST_CASE("the kernels are those that UMSREP_CPU names, or the widest") {
    const char* const wanted = std::getenv("UMSREP_CPU");
    if (wanted != nullptr && *wanted != '\0') CHECK(std::string(test::fast::instruction_set()) == wanted);
    else CHECK(std::string(test::fast::instruction_set()) == cpu_ops::choose_kernels("").name);
    CHECK(std::string(test::exact_only::instruction_set()) == test::fast::instruction_set());
}

TEST_CASE("every instruction set is found by its name where the machine has it, the portable one everywhere") {
    CHECK(std::string(cpu_ops::choose_kernels("portable").name) == "portable");
    const std::string widest = cpu_ops::choose_kernels("").name;
    for (const std::string name : {"avx2", "avx512"}) {
        CAPTURE(name);
        if (cpu_ops::find_kernels(name) != nullptr) CHECK(std::string(cpu_ops::choose_kernels(name).name) == name);
        else CHECK_THROWS_AS(cpu_ops::choose_kernels(name), device_error);
        if (widest == name) CHECK(cpu_ops::find_kernels(name) != nullptr);
    }
    if (widest == "portable") CHECK(cpu_ops::find_kernels("avx2") == nullptr);
    if (cpu_ops::find_kernels("avx512") != nullptr) CHECK(widest == "avx512");
}

TEST_CASE("an instruction set that is none is refused, with the choices") {
    CHECK(test::message_of<device_error>([] { cpu_ops::choose_kernels("sse9"); }) ==
          "UMSREP_CPU: expected portable, avx2 or avx512, and a machine that has it, got sse9");
    CHECK_THROWS_AS(cpu_ops::choose_kernels("AVX2"), device_error);
}
