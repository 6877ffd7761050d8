// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string_view>

#include <umsrep/io/safetensors.hpp>

namespace umsrep::test {

/// The tensors of tests/fixtures/NAME.safetensors; how they were made stands in the make_*.py script beside it.
inline io::safetensors fixture(std::string_view name) {
    return io::safetensors::read(std::filesystem::path{UMSREP_TEST_FIXTURES} / (std::string{name} + ".safetensors"));
}

} // namespace umsrep::test
