# SPDX-License-Identifier: MIT
# From a bare machine to a build: shared by demo.cmake and test.cmake. Set before -P:
#   -D PRESET=dev|release|asan|tsan    -D COMPILER=clang++-16    -D TARGETS="a b" (instead of everything)
#   -D TOOLCHAIN=FILE (of Conan or vcpkg; then nothing is installed)
cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH source_dir)

# header or program       apt                 vcpkg           brew
set(requirements
    "Eigen/Core           libeigen3-dev       eigen3          eigen"
    "xtensor/xtensor.hpp  libxtensor-dev      xtensor         xtensor"
    "png.h                libpng-dev          libpng          libpng"
    "jpeglib.h            libjpeg-dev         libjpeg-turbo   jpeg-turbo"
    "nlohmann/json.hpp    nlohmann-json3-dev  nlohmann-json   nlohmann-json"
    "CLI/CLI.hpp          libcli11-dev        cli11           cli11"
    "doctest/doctest.h    doctest-dev         doctest         doctest"
    "ninja                ninja-build         -               ninja")

# Installs what is missing, or says how to and stops.
function(bootstrap)
    if(TOOLCHAIN)
        return()
    endif()
    foreach(requirement IN LISTS requirements)
        separate_arguments(requirement UNIX_COMMAND "${requirement}")
        list(POP_FRONT requirement needed)
        if(needed MATCHES "\\.h|/")
            find_path(found NAMES ${needed} NO_CACHE PATH_SUFFIXES eigen3
                PATHS /usr/include /usr/local/include /opt/homebrew/include)
        else()
            find_program(found NAMES ${needed} make NO_CACHE)
        endif()
        if(NOT found)
            list(APPEND missing ${needed})
            foreach(manager IN ITEMS apt vcpkg brew)
                list(POP_FRONT requirement package)
                if(NOT package STREQUAL "-")
                    list(APPEND ${manager} ${package})
                endif()
            endforeach()
        endif()
        unset(found)
    endforeach()
    if(COMPILER)
        find_program(found NAMES "${COMPILER}" NO_CACHE)
        if(NOT found)
            list(APPEND missing "${COMPILER}")
            string(REPLACE "clang++" "clang" package "${COMPILER}")
            list(APPEND apt ${package})
        endif()
    endif()
    if(NOT missing)
        return()
    endif()

    list(JOIN missing ", " missing)
    foreach(manager IN ITEMS apt vcpkg brew)
        list(JOIN ${manager} " " ${manager}_line)
    endforeach()
    find_program(apt_get apt-get NO_CACHE)
    find_program(sudo sudo NO_CACHE)
    execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(may_install FALSE)
    if(apt_get AND user EQUAL 0)
        set(may_install TRUE)
        set(sudo "")
    elseif(apt_get AND sudo)
        execute_process(COMMAND sudo -n true RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
        if(status EQUAL 0)
            set(may_install TRUE)
            set(sudo sudo -n)
        endif()
    endif()
    if(may_install)
        message(NOTICE "Missing: ${missing}. Installing: ${apt_line}")
        execute_process(COMMAND ${sudo} apt-get -q update COMMAND_ERROR_IS_FATAL ANY)
        execute_process(COMMAND ${sudo} env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends ${apt}
            COMMAND_ERROR_IS_FATAL ANY)
        return()
    endif()

    message(NOTICE "Missing: ${missing}. Install with one of
  Debian, Ubuntu:  sudo apt-get install ${apt_line}
  Homebrew:        brew install ${brew_line}
  vcpkg:           vcpkg install ${vcpkg_line}
                   then add -D TOOLCHAIN=$VCPKG_ROOT/scripts/buildsystems/vcpkg.cmake before -P
  Conan 2:         conan install . --build=missing --output-folder=build/conan -s compiler.cppstd=20 -s build_type=Release
                   conan install . --build=missing --output-folder=build/conan -s compiler.cppstd=20 -s build_type=Debug
                   then add -D TOOLCHAIN=build/conan/conan_toolchain.cmake before -P")
    message(FATAL_ERROR "umsrep: cannot install what is missing without root")
endfunction()

# configure_and_build(<out-var for the build folder> [cmake option...])
function(configure_and_build out)
    set(build_dir "${source_dir}/build/${PRESET}")
    set(options "")
    if(COMPILER)
        cmake_path(GET COMPILER FILENAME compiler_name)
        string(APPEND build_dir "-${compiler_name}")
        list(APPEND options "-DCMAKE_CXX_COMPILER=${COMPILER}")
    endif()
    if(TOOLCHAIN)
        cmake_path(ABSOLUTE_PATH TOOLCHAIN)
        list(APPEND options "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}")
    endif()
    find_program(ninja ninja NO_CACHE)
    if(NOT ninja)
        list(APPEND options -G "Unix Makefiles")
    endif()
    # A large network's source takes up to 1.5 GB to compile: no more jobs than fit.
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    cmake_host_system_information(RESULT mebibytes QUERY AVAILABLE_PHYSICAL_MEMORY)
    math(EXPR jobs "${mebibytes} / 1500")
    if(jobs GREATER cores)
        set(jobs ${cores})
    elseif(jobs LESS 1)
        set(jobs 1)
    endif()
    execute_process(COMMAND "${CMAKE_COMMAND}" --preset ${PRESET} -S "${source_dir}" -B "${build_dir}" ${options} ${ARGN}
        WORKING_DIRECTORY "${source_dir}" COMMAND_ERROR_IS_FATAL ANY)
    set(targets "")
    if(TARGETS)
        separate_arguments(TARGETS UNIX_COMMAND "${TARGETS}")
        set(targets --target ${TARGETS})
    endif()
    execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build_dir}" --parallel ${jobs} ${targets} COMMAND_ERROR_IS_FATAL ANY)
    set(${out} "${build_dir}" PARENT_SCOPE)
    set(jobs ${jobs} PARENT_SCOPE)
endfunction()
