// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <tests/cuda/host_machine.hpp>
#include <tests/cuda/slice_checks.hpp>

TEST_CASE("graphs of slices read and write none of the channels beside them") {
    umsrep::test::host_machine m;
    umsrep::test::slice_checks::check(m, 0);
}
