# tessera::cuda: what tessera/backend/thrust/cuda.hpp needs of the CUDA Toolkit. Its users compile with nvcc.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # 90's PTX is for what comes after
endif()
if(NOT DEFINED CMAKE_CUDA_COMPILER)
  find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin REQUIRED)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
add_library(tessera_cuda INTERFACE)
add_library(tessera::cuda ALIAS tessera_cuda)
target_link_libraries(tessera_cuda INTERFACE tessera CUDA::cudart_static)
# CMake 3.25 does not know cuda_std_20 of the Toolkit's version 13.
target_compile_options(tessera_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-Xcompiler=-ffp-contract=off>)
target_compile_definitions(tessera_cuda INTERFACE TESSERA_CUDA_UNTESTED)
