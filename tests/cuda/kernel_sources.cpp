// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <umsrep/backend/cuda/kernel/sources.hpp>

namespace umsrep::test::kernel_sources {

TEST_CASE("the embedded kernel sources are the .cuh files; else run: cmake -P cmake/embed_kernels.cmake") {
    const std::filesystem::path include = std::filesystem::path(UMSREP_TEST_FIXTURES) / "../../include";
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(include / "umsrep/backend/cuda/kernel")) {
        if (entry.path().extension() != ".cuh") continue;
        ++files;
        const std::string name = "umsrep/backend/cuda/kernel/" + entry.path().filename().string();
        CAPTURE(name);
        const auto found = std::find_if(cuda::kernel_sources.begin(), cuda::kernel_sources.end(),
                                        [&](const cuda::kernel_source& s) { return s.name == name; });
        REQUIRE(found != cuda::kernel_sources.end());
        std::ifstream in(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        CHECK(found->text == text);
    }
    CHECK(files == cuda::kernel_sources.size());
    CHECK(files > 0);
}

} // namespace umsrep::test::kernel_sources
