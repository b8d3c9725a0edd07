include(CMakePackageConfigHelpers)

set(TESSERA_CMAKE_DIR ${CMAKE_INSTALL_DATADIR}/cmake/tessera)
configure_package_config_file(cmake/tesseraConfig.cmake.in tesseraConfig.cmake INSTALL_DESTINATION ${TESSERA_CMAKE_DIR})
write_basic_package_version_file(tesseraConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(DIRECTORY include/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES cmake/thrust_host.cmake DESTINATION ${TESSERA_CMAKE_DIR} RENAME tesseraThrustHost.cmake)
install(FILES cmake/cuda.cmake DESTINATION ${TESSERA_CMAKE_DIR} RENAME tesseraCuda.cmake)
install(FILES ${PROJECT_BINARY_DIR}/tesseraConfig.cmake ${PROJECT_BINARY_DIR}/tesseraConfigVersion.cmake
        DESTINATION ${TESSERA_CMAKE_DIR})
install(TARGETS tessera EXPORT tessera)
install(EXPORT tessera NAMESPACE tessera:: FILE tesseraTargets.cmake DESTINATION ${TESSERA_CMAKE_DIR})
if(TESSERA_IMAGE_IO)
  install(TARGETS tessera_image_io EXPORT tessera_image_io)
  install(EXPORT tessera_image_io NAMESPACE tessera:: FILE tesseraImageIoTargets.cmake DESTINATION ${TESSERA_CMAKE_DIR})
endif()
