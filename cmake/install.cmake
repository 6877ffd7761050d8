# SPDX-License-Identifier: MIT
# install() and the package files for find_package(umsrep CONFIG [COMPONENTS io cuda]).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(umsrep_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/umsrep")
configure_package_config_file(cmake/umsrep-config.cmake.in umsrep-config.cmake INSTALL_DESTINATION "${umsrep_package_dir}")
write_basic_package_version_file(umsrep-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS umsrep umsrep_io umsrep_cuda EXPORT umsrep)
install(EXPORT umsrep FILE umsrep-targets.cmake NAMESPACE umsrep:: DESTINATION "${umsrep_package_dir}")
install(FILES cmake/umsrep-dependencies.cmake cmake/Findxtensor.cmake cmake/Findumsrep_cuda_headers.cmake
    "${PROJECT_BINARY_DIR}/umsrep-config.cmake" "${PROJECT_BINARY_DIR}/umsrep-config-version.cmake"
    DESTINATION "${umsrep_package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/umsrep")
