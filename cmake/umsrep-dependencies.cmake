# SPDX-License-Identifier: MIT
# What umsrep and its optional components need. Used by the project itself and installed with it, so that both say the same.

# umsrep_find_dependencies(<out-var> [component...]): looks for everything; <out-var> becomes empty, or one sentence
# for each thing that was not found.
macro(umsrep_find_dependencies umsrep_out)
    set(${umsrep_out} "")
    list(APPEND CMAKE_MODULE_PATH "${umsrep_cmake_dir}")
    umsrep_find_one(${umsrep_out} Eigen3::Eigen "Eigen >= 3.4 (Eigen/Core; Debian: libeigen3-dev)" Eigen3 3.4 CONFIG)
    umsrep_find_one(${umsrep_out} xtensor "xtensor 0.24 or 0.25 with xtl (xtensor/xtensor.hpp; Debian: libxtensor-dev)" xtensor 0.24...<0.26)
    umsrep_find_one(${umsrep_out} Threads::Threads "a thread library" Threads)
    foreach(umsrep_component IN ITEMS ${ARGN})
        if(umsrep_component STREQUAL "io")
            umsrep_find_one(${umsrep_out} PNG::PNG "libpng for component io (png.h; Debian: libpng-dev)" PNG)
            umsrep_find_one(${umsrep_out} JPEG::JPEG "libjpeg-turbo for component io (jpeglib.h; Debian: libjpeg-dev)" JPEG)
            umsrep_find_one(${umsrep_out} nlohmann_json::nlohmann_json
                "nlohmann_json >= 3.10 for component io (nlohmann/json.hpp; Debian: nlohmann-json3-dev)" nlohmann_json 3.10 CONFIG)
        elseif(umsrep_component STREQUAL "cuda")
            if(NOT TARGET umsrep::cuda_headers)
                find_package(umsrep_cuda_headers QUIET)
                if(TARGET umsrep::cuda_headers)
                    message(STATUS "umsrep: component cuda: ${umsrep_cuda_headers_FOUND_AS}")
                endif()
            endif()
            if(NOT TARGET umsrep::cuda_headers)
                string(APPEND ${umsrep_out} "not found: ${umsrep_cuda_headers_MISSING} for component cuda (CUDA toolkit >= 12 and cuDNN >= 9.8; "
                    "looked in ${umsrep_cuda_headers_PATHS} /usr/local/cuda /opt/cuda and where the compiler looks; "
                    "CUDAToolkit_ROOT and CUDNN_ROOT say where else). ")
            endif()
        else()
            string(APPEND ${umsrep_out} "there is no component ${umsrep_component} (known: io, cuda). ")
        endif()
    endforeach()
    list(REMOVE_ITEM CMAKE_MODULE_PATH "${umsrep_cmake_dir}")
endmacro()

set(umsrep_cmake_dir "${CMAKE_CURRENT_LIST_DIR}")

# A macro, because imported targets and <package>_DIR variables belong to the caller's directory.
macro(umsrep_find_one umsrep_out umsrep_target umsrep_description)
    if(NOT TARGET ${umsrep_target})
        find_package(${ARGN} QUIET)
        if(NOT TARGET ${umsrep_target})
            string(APPEND ${umsrep_out} "not found: ${umsrep_description}. ")
        endif()
    endif()
endmacro()
