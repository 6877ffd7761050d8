# SPDX-License-Identifier: MIT
# cmake -P cmake/demo.cmake
# Installs what is missing, builds the X-ray program and trains one network with three heads on simulated chest X-rays;
# prints the results and where the picture is.
include("${CMAKE_CURRENT_LIST_DIR}/bootstrap.cmake")
if(NOT EXISTS "${source_dir}/examples/xray/CMakeLists.txt")
    message(FATAL_ERROR "umsrep: this checkout has no examples/xray, the program that the demo runs")
endif()
list(FILTER requirements EXCLUDE REGEX "^doctest")
bootstrap()
set(PRESET release)
set(TARGETS xray)
configure_and_build(build_dir -D UMSREP_BUILD_TESTS=OFF -D UMSREP_NATIVE=ON)

set(run_dir "${build_dir}/demo")
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(COMMAND "${build_dir}/examples/xray/xray" train --seed 1 --epochs 6 --threads ${cores} --force --out "${run_dir}"
    COMMAND_ERROR_IS_FATAL ANY)
