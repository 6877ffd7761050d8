# SPDX-License-Identifier: MIT
import os
import re

from conan import ConanFile
from conan.tools.cmake import CMakeToolchain
from conan.tools.files import copy, load


class Umsrep(ConanFile):
    name = "umsrep"
    license = "MIT"
    description = "Neural networks as types: one encoder, many heads, checked and planned by the compiler"
    topics = "deep-learning", "medical-imaging", "multi-task", "header-only"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_io": [True, False], "with_cuda": [True, False]}
    default_options = {"with_io": True, "with_cuda": False}
    exports_sources = "include/*", "LICENSE"
    no_copy_source = True
    generators = "CMakeDeps"

    def set_version(self):
        cmake = load(self, os.path.join(self.recipe_folder, "CMakeLists.txt"))
        self.version = re.search(r"project\(umsrep VERSION ([\d.]+)", cmake).group(1)

    def requirements(self):
        self.requires("eigen/[>=3.4 <4]", transitive_headers=True)
        self.requires("xtensor/[>=0.24 <0.28]", transitive_headers=True)
        if self.options.with_io:
            self.requires("libpng/[>=1.6 <2]", transitive_headers=True)
            self.requires("libjpeg-turbo/[>=2 <4]", transitive_headers=True)
            self.requires("nlohmann_json/[>=3.10 <4]", transitive_headers=True)

    def build_requirements(self):
        if not self.conf.get("tools.build:skip_test", default=False, check_type=bool):
            self.test_requires("doctest/[>=2.4 <3]")
            self.test_requires("cli11/[>=2.1 <3]")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        toolchain.generate()

    def package(self):
        for pattern in "*.hpp", "*.inl", "*.cuh":
            copy(self, pattern, os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "umsrep::umsrep")
        core.requires = ["eigen::eigen", "xtensor::xtensor"]
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            core.system_libs = ["pthread"]
        if self.options.with_io:
            io = self.cpp_info.components["io"]
            io.set_property("cmake_target_name", "umsrep::io")
            io.requires = ["core", "libpng::libpng", "libjpeg-turbo::libjpeg-turbo", "nlohmann_json::nlohmann_json"]
        if self.options.with_cuda:  # CUDA and cuDNN are the system's: no recipe has them. Their headers must be where the compiler looks.
            cuda = self.cpp_info.components["cuda"]
            cuda.set_property("cmake_target_name", "umsrep::cuda")
            cuda.requires = ["core"]
            if self.settings.get_safe("os") == "Linux":
                cuda.system_libs = ["dl"]
        for component in self.cpp_info.components.values():
            component.bindirs = component.libdirs = []
