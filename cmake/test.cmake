# SPDX-License-Identifier: MIT
# cmake [-D PRESET=dev] [-D COMPILER=clang++-16] [-D TARGETS="test_data"] [-D LABELS=regex] [-D TESTS=regex] -P cmake/test.cmake
# Installs what is missing, builds everything, runs the tests; ends with CTest's summary.
include("${CMAKE_CURRENT_LIST_DIR}/bootstrap.cmake")
if(NOT PRESET)
    set(PRESET dev)
endif()
bootstrap()
# A room's tests share most of what they include: compiled together they take half the time. Without sanitizers nobody asks for lines of
# sources, which take a twentieth of it.
set(settings -D CMAKE_UNITY_BUILD=ON)
if(PRESET STREQUAL "dev")
    list(APPEND settings -D CMAKE_CXX_FLAGS_DEBUG=-O1)
endif()
configure_and_build(build_dir ${settings})

set(selection "")
if(LABELS)
    list(APPEND selection --label-regex "${LABELS}")
endif()
if(TESTS)
    list(APPEND selection --tests-regex "${TESTS}")
endif()
execute_process(COMMAND "${CMAKE_CTEST_COMMAND}" --test-dir "${build_dir}" --parallel ${jobs} --output-on-failure --no-label-summary
    --no-tests=error ${selection} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "umsrep: tests failed")
endif()
