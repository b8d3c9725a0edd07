# tessera::cuda: what tessera/backend/thrust/cuda.hpp needs of the CUDA Toolkit. Its users compile with nvcc.
if(NOT TESSERA_CUDA_UNTESTED)
  message(FATAL_ERROR "TESSERA_CUDA is ON, but tessera::cuda has compiled and never run on a GPU: set "
                      "TESSERA_CUDA_UNTESTED to ON to use it all the same, or TESSERA_CUDA to OFF.")
endif()
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
target_link_libraries(tessera_cuda INTERFACE tessera CUDA::cudart_static CUDA::cublasLt)
target_compile_definitions(tessera_cuda INTERFACE TESSERA_CUDA_UNTESTED)
set(cuda $<COMPILE_LANGUAGE:CUDA>)
# CMake 3.25 does not know cuda_std_20 of the Toolkit's version 13.
target_compile_options(tessera_cuda INTERFACE "$<${cuda}:-std=c++20>")
# Nothing is fused that does not say so, as on processors: a kernel's sums are the ones that thrust_host tests.
target_compile_options(tessera_cuda INTERFACE "$<${cuda}:-fmad=false;-Xcompiler=-ffp-contract=off>")
if(TESSERA_OPENMP AND OpenMP_CXX_FOUND)
  # OpenMP's own target speaks to C++ alone; a program has one parallel_for, whichever compiler saw it.
  target_compile_options(tessera_cuda INTERFACE "$<${cuda}:-Xcompiler=${OpenMP_CXX_FLAGS}>")
endif()
