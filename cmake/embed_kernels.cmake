# SPDX-License-Identifier: MIT
# cmake -P cmake/embed_kernels.cmake: writes the sources of the CUDA kernels into a header, as the strings that NVRTC compiles. The header
# is checked in, so that a user's build has no such step; tests/cuda/kernel_sources.cpp compares the two.
cmake_minimum_required(VERSION 3.25)

cmake_path(SET include NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../include")
file(GLOB names RELATIVE "${include}" "${include}/umsrep/backend/cuda/kernel/*.cuh")
list(SORT names)
list(LENGTH names count)
string(CONCAT text
    "// SPDX-License-Identifier: MIT\n#pragma once\n\n// Written by cmake/embed_kernels.cmake from the .cuh files beside it.\n\n"
    "#include <array>\n\n"
    "namespace umsrep::cuda {\n\n"
    "/// A file that NVRTC finds under the name by which the others include it.\n"
    "struct kernel_source {\n    const char *name, *text;\n};\n\n"
    "inline constexpr std::array<kernel_source, ${count}> kernel_sources{{\n")
foreach(name IN LISTS names)
    file(READ "${include}/${name}" source)
    string(APPEND text "    {\"${name}\", R\"cuda(${source})cuda\"},\n")
endforeach()
string(APPEND text "}};\n\n} // namespace umsrep::cuda\n")
file(WRITE "${include}/umsrep/backend/cuda/kernel/sources.hpp" "${text}")
