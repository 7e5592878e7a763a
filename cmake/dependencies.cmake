# Finds every dependency and makes the targets that the layers link. What is missing is collected, and told at once with
# the line that installs it. The installed package includes this file as well (cmake/lowland-config.cmake.in).
set(lowland_missing "")
macro(lowland_need package)
  foreach(lowland_found ${ARGN})
    if(NOT ${lowland_found})
      list(APPEND lowland_missing "${package}")
    endif()
  endforeach()
endmacro()

find_package(OpenMP QUIET COMPONENTS CXX)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  string(REGEX MATCH "^[0-9]+" lowland_clang "${CMAKE_CXX_COMPILER_VERSION}")
  lowland_need(libomp-${lowland_clang}-dev OpenMP_CXX_FOUND)
else()
  lowland_need(g++ OpenMP_CXX_FOUND)
endif()

find_package(fmt QUIET)
lowland_need(libfmt-dev fmt_FOUND)

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(pcre2 QUIET IMPORTED_TARGET libpcre2-8)
  pkg_check_modules(icu QUIET IMPORTED_TARGET icu-uc)
  pkg_check_modules(xxhash QUIET IMPORTED_TARGET libxxhash)
endif()
lowland_need(pkg-config PKG_CONFIG_FOUND)
lowland_need(libpcre2-dev pcre2_FOUND)
lowland_need(libicu-dev icu_FOUND)
lowland_need(libxxhash-dev xxhash_FOUND)

find_package(JPEG QUIET)
lowland_need(libjpeg-dev JPEG_FOUND)
find_package(PNG QUIET)
lowland_need(libpng-dev PNG_FOUND)

# Pictures of these kinds are read where their library is there.
if(PKG_CONFIG_FOUND)
  pkg_check_modules(webp QUIET IMPORTED_TARGET libwebp libwebpdemux)
endif()
find_package(GIF QUIET)
find_package(TIFF QUIET)

# Several processes by MPI: AUTO where one is found.
set(LOWLAND_MPI AUTO CACHE STRING "MPI (Open MPI) between processes: AUTO, ON or OFF")
set_property(CACHE LOWLAND_MPI PROPERTY STRINGS AUTO ON OFF)
if(NOT LOWLAND_MPI STREQUAL "OFF")
  set(MPI_CXX_SKIP_MPICXX TRUE)
  find_package(MPI QUIET COMPONENTS CXX)
  if(LOWLAND_MPI STREQUAL "ON")
    lowland_need("libopenmpi-dev openmpi-bin" MPI_CXX_FOUND)
  endif()
endif()

find_path(LOWLAND_DNNL_INCLUDE oneapi/dnnl/dnnl.h)
find_library(LOWLAND_DNNL_LIBRARY NAMES dnnl)
lowland_need(libdnnl-dev LOWLAND_DNNL_INCLUDE LOWLAND_DNNL_LIBRARY)

find_path(LOWLAND_CBLAS_INCLUDE cblas.h PATH_SUFFIXES openblas-openmp openblas)
# First by its own path: the distribution's plain `libopenblas` may be the pthread build, which must not meet OpenMP.
find_library(LOWLAND_OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-openmp NO_CMAKE_SYSTEM_PATH
             PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} /usr/lib /usr/local/lib)
lowland_need(libopenblas-openmp-dev LOWLAND_CBLAS_INCLUDE LOWLAND_OPENBLAS_LIBRARY)

if(NOT LOWLAND_INSTALLED)  # what only the build itself needs
  find_package(nlohmann_json QUIET)
  lowland_need(nlohmann-json3-dev nlohmann_json_FOUND)
  find_package(CLI11 QUIET)
  lowland_need(libcli11-dev CLI11_FOUND)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(tomlplusplus QUIET IMPORTED_TARGET tomlplusplus)
  endif()
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(libedit QUIET IMPORTED_TARGET libedit)  # editing of lines in `chat`, where it is there
  endif()
  lowland_need(libtomlplusplus-dev tomlplusplus_FOUND)
  find_path(LOWLAND_XTENSOR_INCLUDE NAMES xtensor/xarray.hpp xtensor/containers/xarray.hpp)
  find_path(LOWLAND_XTL_INCLUDE NAMES xtl/xsequence.hpp)
  lowland_need(libxtensor-dev LOWLAND_XTENSOR_INCLUDE LOWLAND_XTL_INCLUDE)
  if(LOWLAND_TESTS)
    find_package(doctest QUIET)
    lowland_need(doctest-dev doctest_FOUND)
  endif()
endif()

set(lowland_missing_message "")
if(lowland_missing)
  list(REMOVE_DUPLICATES lowland_missing)
  list(JOIN lowland_missing " " lowland_missing)
  set(lowland_missing_message "Missing packages. On Debian or Ubuntu: apt-get install ${lowland_missing}")
  return()
endif()

# Imported targets: their headers are SYSTEM, and each installation finds its own.
add_library(lowland_dnnl INTERFACE IMPORTED)
target_include_directories(lowland_dnnl INTERFACE ${LOWLAND_DNNL_INCLUDE})
target_link_libraries(lowland_dnnl INTERFACE ${LOWLAND_DNNL_LIBRARY})
add_library(lowland_openblas INTERFACE IMPORTED)
target_include_directories(lowland_openblas INTERFACE ${LOWLAND_CBLAS_INCLUDE})
target_link_libraries(lowland_openblas INTERFACE ${LOWLAND_OPENBLAS_LIBRARY})
if(NOT LOWLAND_INSTALLED)
  # xtensor 0.26 moved its headers: include them through optim/xtensor.h.
  add_library(lowland_xtensor INTERFACE IMPORTED)
  target_include_directories(lowland_xtensor INTERFACE ${LOWLAND_XTENSOR_INCLUDE} ${LOWLAND_XTL_INCLUDE})
endif()
