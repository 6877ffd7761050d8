# SPDX-License-Identifier: MIT
# The library without any build system: a compiler and include paths.
cmake_minimum_required(VERSION 3.25)
list(TRANSFORM INCLUDES PREPEND "-I")
execute_process(COMMAND "${COMPILER}" -std=c++20 ${INCLUDES} "${CMAKE_CURRENT_LIST_DIR}/program.cpp" -o "${PROGRAM}" -pthread
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${PROGRAM}" COMMAND_ERROR_IS_FATAL ANY)
