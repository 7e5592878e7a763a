# cuDNN's fused attention (kernels/cuda/cudnn): its headers and cudnn-frontend's, from the distribution or from the
# folders `nvidia` and site-packages of a Python that has them (pip install nvidia-cudnn-frontend nvidia-cudnn-cu13).
# Nothing is linked: the library is opened when it is wanted. Included after lowland_kernels(); prints one line.
if(lowland_have_cuda)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_SITELIB)
    set(lowland_cudnn_hints ${Python3_SITELIB}/include ${Python3_SITELIB}/../../../include)
  endif()
  find_path(LOWLAND_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h HINTS ${lowland_cudnn_hints})
  find_path(LOWLAND_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${Python3_SITELIB}/nvidia/cudnn/include)
  file(GLOB lowland_cudnn_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/cudnn/*.cpp)
  add_library(lowland_cudnn OBJECT ${lowland_cudnn_files})
  target_include_directories(lowland_cudnn PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(lowland_cudnn PRIVATE CUDA::toolkit lowland_flags)
  if(LOWLAND_CUDNN_FRONTEND_INCLUDE AND LOWLAND_CUDNN_INCLUDE)
    # Its attributes have changed names: what is used must compile.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES ${LOWLAND_CUDNN_FRONTEND_INCLUDE} ${LOWLAND_CUDNN_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
    set(CMAKE_REQUIRED_DEFINITIONS -DNV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING)
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
    check_cxx_source_compiles("
      #include <cudnn_frontend.h>
      void f() {
        cudnn_frontend::graph::SDPA_attributes().set_generate_stats(true).set_causal_mask_bottom_right(true);
        cudnn_frontend::graph::SDPA_backward_attributes().set_deterministic_algorithm(true);
      }" LOWLAND_CUDNN_COMPILES)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_DEFINITIONS)
    unset(CMAKE_TRY_COMPILE_TARGET_TYPE)
  endif()
  if(LOWLAND_CUDNN_COMPILES)
    message(STATUS "cuDNN attention: ${LOWLAND_CUDNN_FRONTEND_INCLUDE}")
    target_compile_definitions(lowland_cudnn PRIVATE LL_CUDNN NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING)
    target_include_directories(lowland_cudnn SYSTEM PRIVATE ${LOWLAND_CUDNN_FRONTEND_INCLUDE} ${LOWLAND_CUDNN_INCLUDE})
  else()
    message(STATUS "cuDNN attention: off, no headers of cudnn-frontend and cuDNN 9 that fit")
  endif()
  target_sources(lowland_kernels PRIVATE $<TARGET_OBJECTS:lowland_cudnn>)
  target_link_libraries(lowland_kernels PRIVATE ${CMAKE_DL_LIBS})
endif()
