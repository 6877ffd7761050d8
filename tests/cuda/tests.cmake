# SPDX-License-Identifier: MIT
# What the CUDA room's tests need beside the sources: headers of CUDA, labels, descriptions of devices, the toolkit's stub of a driver.
get_target_property(folders umsrep::cuda_headers INTERFACE_INCLUDE_DIRECTORIES)
list(TRANSFORM folders APPEND "/..")
find_file(UMSREP_CUDA_STUB libcuda.so HINTS ${folders} PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES lib64/stubs lib/stubs NO_DEFAULT_PATH)
mark_as_advanced(UMSREP_CUDA_STUB)
get_property(tests DIRECTORY PROPERTY TESTS)
list(FILTER tests INCLUDE REGEX "^cuda")
foreach(test IN LISTS tests)
    target_link_libraries(test_${test} PRIVATE umsrep_cuda)
    set_tests_properties(${test} PROPERTIES LABELS "unit;cuda")
endforeach()
target_link_libraries(test_cuda_model PRIVATE umsrep_test_kernels)
set_tests_properties(cuda_gpu PROPERTIES LABELS "cuda;gpu" SKIP_REGULAR_EXPRESSION "skipped: cuda: ")
# It computes on a device or not at all: compiled for the sake of compiling, mostly.
target_compile_options(test_cuda_gpu PRIVATE -O0)
target_compile_definitions(test_cuda_support PRIVATE UMSREP_TEST_DEVICES="${CMAKE_CURRENT_SOURCE_DIR}/cuda/devices" UMSREP_CUDA_STUB="${UMSREP_CUDA_STUB}")

# Libraries in the places of the driver and of cuDNN, under their names, that compute nothing. One program opens them by their paths.
foreach(library IN ITEMS "driver cuda 1" "cudnn cudnn_graph 9")
    string(REPLACE " " ";" library "${library}")
    list(GET library 0 source)
    list(GET library 1 name)
    list(GET library 2 version)
    add_library(umsrep_fake_${source} SHARED cuda/driver/fake/${source}.cpp)
    target_link_libraries(umsrep_fake_${source} PRIVATE umsrep_settings umsrep_cuda)
    set_target_properties(umsrep_fake_${source} PROPERTIES OUTPUT_NAME ${name} SOVERSION ${version} LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/fake_libraries")
    string(TOUPPER ${source} upper)
    target_compile_definitions(test_cuda_driver PRIVATE UMSREP_FAKE_${upper}="$<TARGET_FILE:umsrep_fake_${source}>")
    add_dependencies(test_cuda_driver umsrep_fake_${source})
endforeach()
target_link_libraries(umsrep_fake_cudnn PRIVATE umsrep_fake_driver)
# Every other one finds the real ones, or none: these are in no folder where libraries are looked for.
target_link_libraries(test_cuda_driver PRIVATE umsrep_test_kernels)
target_compile_options(test_cuda_driver PRIVATE -O0)

# A driver that is there and does nothing.
if(UMSREP_CUDA_STUB)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/stub_driver")
    file(MAKE_DIRECTORY "${folder}")
    file(CREATE_LINK "${UMSREP_CUDA_STUB}" "${folder}/libcuda.so.1" SYMBOLIC)
    add_test(NAME cuda_stub_driver COMMAND test_cuda "--test-case=*what this machine lacks*" WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
    set_tests_properties(cuda_stub_driver PROPERTIES LABELS "unit;cuda" ENVIRONMENT_MODIFICATION "LD_LIBRARY_PATH=path_list_prepend:${folder}")
endif()

# A user's .cu file; needs nvcc, which nothing else does.
find_program(UMSREP_NVCC nvcc HINTS ${folders} PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
mark_as_advanced(UMSREP_NVCC)
if(UMSREP_NVCC)
    add_test(NAME cuda_consumer.build COMMAND "${UMSREP_NVCC}" -std=c++20 -arch=sm_80 "-I${PROJECT_SOURCE_DIR}/include"
        "${CMAKE_CURRENT_SOURCE_DIR}/cuda/consumer.cu" -o "${CMAKE_CURRENT_BINARY_DIR}/cuda_consumer")
    set_tests_properties(cuda_consumer.build PROPERTIES LABELS "consumer;cuda" FIXTURES_SETUP cuda_consumer TIMEOUT 300)
    add_test(NAME cuda_consumer COMMAND "${CMAKE_CURRENT_BINARY_DIR}/cuda_consumer")
    set_tests_properties(cuda_consumer PROPERTIES LABELS "consumer;cuda;gpu" FIXTURES_REQUIRED cuda_consumer SKIP_RETURN_CODE 77)
else()
    message(STATUS "umsrep: tests/cuda/consumer.cu is skipped: nvcc was not found")
endif()
