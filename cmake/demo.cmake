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
set(preset release)
configure_and_build(build_dir ${preset} -DUMSREP_BUILD_TESTS=OFF -DUMSREP_NATIVE=ON)

set(run_dir "${build_dir}/demo")
file(REMOVE_RECURSE "${run_dir}")
execute_process(COMMAND "${build_dir}/examples/xray/xray" train --size 64 --epochs 4 --seed 1 --out "${run_dir}"
    WORKING_DIRECTORY "${build_dir}" COMMAND_ERROR_IS_FATAL ANY)
message(NOTICE "Picture: ${run_dir}/panel.png")
