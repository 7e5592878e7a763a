# cuDNN's fused attention (kernels/cuda/cudnn): its headers and cudnn-frontend's, from where a compiler looks, a Conda
# environment, the toolkit, or the wheels of the Python that is found (pip install nvidia-cudnn-frontend
# nvidia-cudnn-cu13); -DLOWLAND_CUDNN_FRONTEND_INCLUDE=FOLDER and -DLOWLAND_CUDNN_INCLUDE=FOLDER name others. Nothing is
# linked: the library is opened when it is wanted. Included after lowland_kernels(); prints one line.
if(lowland_have_cuda)
  set(lowland_python_folders "")
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_FOUND)
    execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sys; print(*filter(None, sys.path), sep=';')"
                    OUTPUT_VARIABLE lowland_python_folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  find_path(LOWLAND_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h HINTS ENV CONDA_PREFIX PATHS ${lowland_python_folders}
            PATH_SUFFIXES include)
  find_path(LOWLAND_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CONDA_PREFIX
            PATHS ${lowland_python_folders} PATH_SUFFIXES include nvidia/cudnn/include)
  file(GLOB lowland_cudnn_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/cudnn/*.cpp)
  add_library(lowland_cudnn OBJECT ${lowland_cudnn_files})
  target_include_directories(lowland_cudnn PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(lowland_cudnn PRIVATE CUDA::toolkit lowland_flags)
  target_compile_options(lowland_cudnn PRIVATE -O1)  # of cudnn-frontend's templates nothing is hot
  # Its attributes have changed names: those that are used must be there. (To compile them takes half a minute.)
  set(lowland_cudnn_fits "")
  set(lowland_frontend ${LOWLAND_CUDNN_FRONTEND_INCLUDE}/cudnn_frontend/graph_properties.h)
  set(lowland_version ${LOWLAND_CUDNN_INCLUDE}/cudnn_version.h)
  if(EXISTS ${lowland_frontend} AND EXISTS ${lowland_version})
    file(STRINGS ${lowland_version} lowland_cudnn_fits REGEX "define CUDNN_MAJOR +9")
    foreach(wanted set_generate_stats set_causal_mask_bottom_right set_deterministic_algorithm)
      file(STRINGS ${lowland_frontend} found REGEX "${wanted}\\(")
      if(NOT found)
        set(lowland_cudnn_fits "")
      endif()
    endforeach()
  endif()
  if(NOT "${lowland_cudnn_fits}" STREQUAL "")
    message(STATUS "cuDNN attention: ${LOWLAND_CUDNN_FRONTEND_INCLUDE}")
    target_compile_definitions(lowland_cudnn PRIVATE LL_CUDNN NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING)
    target_include_directories(lowland_cudnn SYSTEM PRIVATE ${LOWLAND_CUDNN_FRONTEND_INCLUDE} ${LOWLAND_CUDNN_INCLUDE})
  elseif(LOWLAND_CUDNN_FRONTEND_INCLUDE AND LOWLAND_CUDNN_INCLUDE)
    message(STATUS "cuDNN attention: off, the headers in ${LOWLAND_CUDNN_FRONTEND_INCLUDE} and "
                   "${LOWLAND_CUDNN_INCLUDE} do not fit: cuDNN 9 and a cudnn-frontend of its time are wanted")
  else()
    message(STATUS "cuDNN attention: off, no headers of cudnn-frontend and cuDNN 9 (pip install nvidia-cudnn-frontend "
                   "nvidia-cudnn-cu${CUDAToolkit_VERSION_MAJOR}, or -DLOWLAND_CUDNN_FRONTEND_INCLUDE=FOLDER)")
  endif()
  target_sources(lowland_kernels PRIVATE $<TARGET_OBJECTS:lowland_cudnn>)
  target_link_libraries(lowland_kernels PRIVATE ${CMAKE_DL_LIBS})
endif()
