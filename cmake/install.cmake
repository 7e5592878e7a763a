# cmake --install, and find_package(lowland) -> lowland::lowland for other projects (tests/consumer is one).
include(CMakePackageConfigHelpers)
set(lowland_package ${CMAKE_INSTALL_LIBDIR}/cmake/lowland)

add_library(lowland INTERFACE)
target_link_libraries(lowland INTERFACE lowland_models lowland_optim)
add_library(lowland::lowland ALIAS lowland)

set(lowland_exported lowland)
foreach(layer ${lowland_layers})
  if(NOT layer STREQUAL "lowland_apps")
    list(APPEND lowland_exported ${layer})
  endif()
endforeach()
install(TARGETS ${lowland_exported} EXPORT lowland ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT lowland NAMESPACE lowland:: FILE lowland-targets.cmake DESTINATION ${lowland_package})

foreach(folder kernels engine nn optim models)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lowland
          FILES_MATCHING PATTERN "*.h" PATTERN cpu EXCLUDE PATTERN cuda EXCLUDE PATTERN lab EXCLUDE
          PATTERN reference EXCLUDE PATTERN xtensor.h EXCLUDE)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lowland-config.cmake.in
                              ${PROJECT_BINARY_DIR}/lowland-config.cmake INSTALL_DESTINATION ${lowland_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lowland-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lowland-config.cmake ${PROJECT_BINARY_DIR}/lowland-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake DESTINATION ${lowland_package})
