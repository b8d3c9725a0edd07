# tessera::cuda: what tessera/backend/thrust/cuda.hpp needs of the CUDA Toolkit; its users compile with nvcc. Read by
# tessera's own build and, installed, by find_package(tessera COMPONENTS cuda) of a project that has the language CUDA.
find_package(CUDAToolkit 12 REQUIRED)
if(NOT TARGET tessera::cuda)
  # Imported, so that a library that is made with it can be exported: whoever uses that looks for CUDA anew.
  add_library(tessera::cuda INTERFACE IMPORTED GLOBAL)
  target_link_libraries(tessera::cuda INTERFACE tessera::tessera CUDA::cublasLt)
  if(TESSERA_CUDA_UNTESTED)  # the user's consent, which the header asks for
    target_compile_definitions(tessera::cuda INTERFACE TESSERA_CUDA_UNTESTED)
  endif()
  set(cuda $<COMPILE_LANGUAGE:CUDA>)
  # CMake 3.25 does not know cuda_std_20 of the Toolkit's version 13.
  target_compile_options(tessera::cuda INTERFACE "$<${cuda}:-std=c++20>")
  # Nothing is fused that does not say so, as on processors: a kernel's sums are the ones that are tested without a GPU.
  target_compile_options(tessera::cuda INTERFACE "$<${cuda}:-fmad=false;-Xcompiler=-ffp-contract=off>")
  if(OpenMP_CXX_FOUND)
    # OpenMP's own target speaks to C++ alone; a program has one parallel_for, whichever compiler saw it.
    target_compile_options(tessera::cuda INTERFACE "$<${cuda}:-Xcompiler=${OpenMP_CXX_FLAGS}>")
  endif()
endif()
