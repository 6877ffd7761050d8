#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Creates and tests the Conan package without a network: dependencies are the ones that the distribution has installed.
# Uses a Conan home of its own, so nothing of the user's is touched. Arguments go to `conan create`: -o "&:with_io=False"
set -euo pipefail
cd "$(dirname "$0")/.."

export CONAN_HOME="${CONAN_HOME:-$PWD/build/conan-home}"
conan profile detect --exist-ok
for library in eigen xtensor libpng libjpeg-turbo nlohmann_json doctest cli11; do
    conan create conan/system --name "$library" --no-remote -vwarning
done
conan create . --no-remote --build=missing -s compiler.cppstd=20 \
    -c tools.cmake.cmake_layout:test_folder="$PWD/build/conan-test" "$@"
