# SPDX-License-Identifier: MIT
# How this project's own tests, examples and benchmarks are compiled. Nothing of it reaches a user of the library.
# Warnings are errors in the preset dev (CMAKE_COMPILE_WARNING_AS_ERROR); elsewhere the optimiser and the sanitizers make GCC warn falsely.
add_library(umsrep_settings INTERFACE)
target_link_libraries(umsrep_settings INTERFACE umsrep)
target_compile_options(umsrep_settings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> # false in GCC 12 for "text" + string: https://gcc.gnu.org/PR105651
    $<$<BOOL:${UMSREP_NATIVE}>:-march=native>
    # g++ 12 takes its own AVX-512 intrinsics' deliberately undefined registers for mistakes, in Eigen's code too.
    $<$<AND:$<BOOL:${UMSREP_NATIVE}>,$<CXX_COMPILER_ID:GNU>>:-Wno-uninitialized;-Wno-maybe-uninitialized>)
if(UMSREP_SANITIZE)
    target_compile_options(umsrep_settings INTERFACE
        "-fsanitize=${UMSREP_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(umsrep_settings INTERFACE "-fsanitize=${UMSREP_SANITIZE}")
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
find_program(UMSREP_CCACHE ccache)
mark_as_advanced(UMSREP_CCACHE)
if(PROJECT_IS_TOP_LEVEL AND UMSREP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${UMSREP_CCACHE}")
endif()
