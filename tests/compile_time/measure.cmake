# SPDX-License-Identifier: MIT
# cmake -D SOURCE=.. -D COMPILER=.. -D INCLUDES=.. -D REPORT=FILE.json -P measure.cmake
# Memory is measured only where GNU time is installed (Debian: time); it is null elsewhere.
cmake_minimum_required(VERSION 3.25)

list(TRANSFORM INCLUDES PREPEND "-I")
find_program(GNU_TIME time)
set(measure "")
if(GNU_TIME)
    set(measure "${GNU_TIME}" -f "%M" -o "${REPORT}.kib")
endif()
cmake_path(GET REPORT PARENT_PATH folder)
file(MAKE_DIRECTORY "${folder}")

string(TIMESTAMP began "%s%f")
execute_process(COMMAND ${measure} "${COMPILER}" -std=c++20 -O2 -c ${INCLUDES} "${SOURCE}" -o "${REPORT}.o" COMMAND_ERROR_IS_FATAL ANY)
string(TIMESTAMP ended "%s%f")
math(EXPR milliseconds "(${ended} - ${began}) / 1000")

set(peak null)
if(GNU_TIME)
    file(READ "${REPORT}.kib" kib)
    math(EXPR peak "${kib} * 1024")
endif()
cmake_path(GET SOURCE STEM name)
file(WRITE "${REPORT}" "{\"source\": \"${name}\", \"milliseconds\": ${milliseconds}, \"peak_bytes\": ${peak}}\n")
message(NOTICE "${name}: ${milliseconds} ms, ${peak} bytes")
