# SPDX-License-Identifier: MIT
# cmake -D FOLDER=... -P old_cuda.cmake: headers of an old CUDA and an old cuDNN in that folder, as the library's find module sees them.
cmake_minimum_required(VERSION 3.25)
file(WRITE "${FOLDER}/cuda.h" "#define CUDA_VERSION 11080\n")
file(WRITE "${FOLDER}/cudnn_version.h" "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 2\n#define CUDNN_PATCHLEVEL 1\n")
foreach(header IN ITEMS cuda_runtime_api.h nvrtc.h cudnn_graph.h)
    file(WRITE "${FOLDER}/${header}" "")
endforeach()
set(CUDAToolkit_ROOT "${FOLDER}")
set(CUDNN_ROOT "${FOLDER}")
include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/Findumsrep_cuda_headers.cmake")
message(STATUS "missing: ${umsrep_cuda_headers_MISSING}")
