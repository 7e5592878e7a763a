# How a layer, a program and the CPU kernels are built.
add_library(lowland_flags INTERFACE)
# g++ 12 warns of a std::string that overlaps itself where none does (GCC bug 105651).
foreach(flag -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion $<$<BOOL:${LOWLAND_WERROR}>:-Werror>
        $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  target_compile_options(lowland_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
endforeach()
if(LOWLAND_SANITIZE OR LOWLAND_FUZZERS)
  foreach(flag -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:${flag}>)
  endforeach()
  add_link_options(-fsanitize=address,undefined)
endif()
if(LOWLAND_FUZZERS)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
set(lowland_layers "")

# kernels: common code once, kernels/cpu once per instruction set (see kernels/common/ctx.h).
function(lowland_kernels)
  file(GLOB common CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/common/*.cpp)
  file(GLOB cpu CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
  set(kind STATIC)
  if(lowland_have_cuda)
    set(kind SHARED)  # the code of GPU kernels is large: one copy for all programs
  endif()
  add_library(lowland_kernels ${kind} ${common})
  target_include_directories(lowland_kernels PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lowland>)
  target_compile_features(lowland_kernels PUBLIC cxx_std_20)
  target_link_libraries(lowland_kernels PUBLIC OpenMP::OpenMP_CXX lowland_dnnl lowland_openblas
                        PRIVATE $<BUILD_INTERFACE:lowland_flags>)
  foreach(arch v3 v4)
    add_library(lowland_cpu_${arch} OBJECT ${cpu})
    target_include_directories(lowland_cpu_${arch} PRIVATE ${PROJECT_SOURCE_DIR})
    target_compile_definitions(lowland_cpu_${arch} PRIVATE LL_CPU=cpu_${arch})
    # Optimised in every configuration; no -ffast-math: NaN, infinities and the order of sums are kept.
    target_compile_options(lowland_cpu_${arch} PRIVATE -march=x86-64-${arch} -mtune=generic -O3 -fno-math-errno
                           -fno-trapping-math)
    # The double forms of exp, tanh and erf call the C library: clang says of each that it could not vectorise it.
    target_compile_options(lowland_cpu_${arch} PRIVATE $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)
    if(arch STREQUAL v4)
      target_compile_options(lowland_cpu_${arch} PRIVATE -mprefer-vector-width=512)
    endif()
    target_link_libraries(lowland_cpu_${arch} PRIVATE lowland_flags OpenMP::OpenMP_CXX lowland_dnnl lowland_openblas)
    target_sources(lowland_kernels PRIVATE $<TARGET_OBJECTS:lowland_cpu_${arch}>)
  endforeach()
  if(lowland_have_cuda)
    lowland_cuda_kernels()
  endif()
  if(lowland_nvtx)
    target_compile_definitions(lowland_kernels PUBLIC LL_NVTX)
    target_include_directories(lowland_kernels SYSTEM PUBLIC $<BUILD_INTERFACE:${LOWLAND_NVTX_INCLUDE}>)
  endif()
  set(lowland_layers lowland_kernels PARENT_SCOPE)
endfunction()

# kernels/cuda, into the same library. -lineinfo: Nsight shows lines of these files.
function(lowland_cuda_kernels)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cpp)
  add_library(lowland_cuda OBJECT ${sources})
  target_include_directories(lowland_cuda PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(lowland_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo --expt-relaxed-constexpr
                         --extended-lambda $<$<BOOL:${LOWLAND_WERROR}>:-Werror=all-warnings>
                         -Xcompiler=-Wall,-Wextra$<$<BOOL:${LOWLAND_WERROR}>:$<COMMA>-Werror>>)
  target_link_libraries(lowland_cuda PRIVATE CUDA::toolkit lowland_flags)
  # NCCL's header, from where a compiler looks or the toolkit. The library is opened when it is wanted.
  find_path(LOWLAND_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CONDA_PREFIX PATH_SUFFIXES include)
  if(LOWLAND_NCCL_INCLUDE)
    message(STATUS "NCCL: ${LOWLAND_NCCL_INCLUDE}")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/cuda/nccl.cpp PROPERTIES COMPILE_DEFINITIONS LL_NCCL)
    target_include_directories(lowland_cuda SYSTEM PRIVATE ${LOWLAND_NCCL_INCLUDE})
  else()
    message(STATUS "NCCL: off, no nccl.h (apt-get install libnccl-dev, or -DLOWLAND_NCCL_INCLUDE=FOLDER)")
  endif()
  target_sources(lowland_kernels PRIVATE $<TARGET_OBJECTS:lowland_cuda>)
  target_link_libraries(lowland_kernels PRIVATE CUDA::cudart CUDA::cublasLt ${CMAKE_DL_LIBS} -Wl,--no-undefined)
  target_compile_definitions(lowland_kernels PUBLIC LL_CUDA_BACKEND)
endfunction()

# What the kernels mean, in plain loops: for tests, in no program and not installed.
function(lowland_reference)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/reference/*.cpp)
  add_library(lowland_reference STATIC EXCLUDE_FROM_ALL ${sources})
  set_target_properties(lowland_reference PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)  # small files
  target_link_libraries(lowland_reference PUBLIC lowland_kernels PRIVATE lowland_flags)
endfunction()

# kernel_lab: the numbered versions of kernels, proved and timed on a device.
function(lowland_kernel_lab)
  if(NOT lowland_have_cuda)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/lab/*.cu ${PROJECT_SOURCE_DIR}/kernels/lab/*/*.cu)
  add_executable(kernel_lab ${sources})
  target_compile_options(kernel_lab PRIVATE -lineinfo --expt-relaxed-constexpr --extended-lambda
                         $<$<BOOL:${LOWLAND_WERROR}>:-Werror=all-warnings>
                         -Xcompiler=-Wall,-Wextra,-fopenmp$<$<BOOL:${LOWLAND_WERROR}>:$<COMMA>-Werror>)
  target_link_libraries(kernel_lab PRIVATE lowland_kernels CUDA::toolkit)
endfunction()

# lowland_layer(NAME [SOURCES folder...] DEPENDS layer... [LIBRARIES target...]): all .cpp files below the folders.
function(lowland_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name})
  endif()
  set(sources "")
  foreach(folder ${arg_SOURCES})
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/empty_${name}.cpp "")
    set(sources ${CMAKE_BINARY_DIR}/empty_${name}.cpp)
  endif()
  add_library(lowland_${name} STATIC ${sources})
  list(TRANSFORM arg_DEPENDS PREPEND lowland_)
  target_link_libraries(lowland_${name} PUBLIC ${arg_DEPENDS} fmt::fmt OpenMP::OpenMP_CXX
                        PRIVATE ${arg_LIBRARIES} $<BUILD_INTERFACE:lowland_xtensor> $<BUILD_INTERFACE:lowland_flags>)
  set(lowland_layers ${lowland_layers} lowland_${name} PARENT_SCOPE)
endfunction()

# lowland_program(NAME PLACE [DEMO]): a program of one file, or of all in a folder. A demo is built and not installed.
function(lowland_program name place)
  cmake_parse_arguments(arg "DEMO" "" "" ${ARGN})
  set(sources ${PROJECT_SOURCE_DIR}/${place})
  if(IS_DIRECTORY ${sources})
    file(GLOB sources CONFIGURE_DEPENDS ${sources}/*.cpp)
  endif()
  if(sources)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE lowland_apps CLI11::CLI11 nlohmann_json::nlohmann_json lowland_flags)
    if(NOT arg_DEMO)
      install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
  endif()
endfunction()
