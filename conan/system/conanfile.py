# SPDX-License-Identifier: MIT
"""One recipe for every library that the distribution already has: it packages nothing and points at /usr.

`conan create conan/system --name eigen` registers the installed Eigen under its own version, so that the recipe of
umsrep resolves without a network.
"""
import glob
import os
import re

from conan import ConanFile
from conan.errors import ConanException
from conan.tools.files import load

# name: header with the version, the macros that hold it, library, CMake package and target, Debian package
SYSTEM = {
    "eigen": ("eigen3/Eigen/src/Core/util/Macros.h", "EIGEN_(?:WORLD|MAJOR|MINOR)_VERSION",
              None, "Eigen3", "Eigen3::Eigen", "libeigen3-dev"),
    "xtensor": ("xtensor/xtensor_config.hpp", "XTENSOR_VERSION_(?:MAJOR|MINOR|PATCH)",
                None, "xtensor", "xtensor", "libxtensor-dev"),
    "libpng": ("png.h", "PNG_LIBPNG_VER_STRING", "png", "PNG", "PNG::PNG", "libpng-dev"),
    "libjpeg-turbo": ("jconfig.h", "LIBJPEG_TURBO_VERSION", "jpeg", "JPEG", "JPEG::JPEG", "libjpeg-dev"),
    "nlohmann_json": ("nlohmann/detail/abi_macros.hpp", "NLOHMANN_JSON_VERSION_(?:MAJOR|MINOR|PATCH)",
                      None, "nlohmann_json", "nlohmann_json::nlohmann_json", "nlohmann-json3-dev"),
    "doctest": ("doctest/doctest.h", "DOCTEST_VERSION_(?:MAJOR|MINOR|PATCH)",
                None, "doctest", "doctest::doctest", "doctest-dev"),
    "cli11": ("CLI/Version.hpp", "CLI11_VERSION_(?:MAJOR|MINOR|PATCH)", None, "CLI11", "CLI11::CLI11", "libcli11-dev"),
}


class System(ConanFile):
    package_type = "unknown"
    settings = "os", "arch"

    def set_version(self):
        header, macros, *_, package = SYSTEM[self.name]
        for folder in ["/usr/include", *glob.glob("/usr/include/*-linux-*")]:
            path = os.path.join(folder, header)
            if os.path.exists(path):
                numbers = re.findall(rf'^\s*#\s*define\s+{macros}\s+"?([\d.]+)', load(self, path), re.MULTILINE)
                self.version = ".".join(numbers)
                return
        raise ConanException(f"{header} not found below /usr/include: apt-get install {package}")

    def package_id(self):
        self.info.clear()

    def package_info(self):
        header, _, library, package, target, _ = SYSTEM[self.name]
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        self.cpp_info.includedirs = ["/usr/include/eigen3"] if header.startswith("eigen3/") else []
        self.cpp_info.system_libs = [library] if library else []
        self.cpp_info.set_property("cmake_find_mode", "both")
        self.cpp_info.set_property("cmake_file_name", package)
        self.cpp_info.set_property("cmake_target_name", target)
