# nvcc and the GPUs that our own programs are built for.
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
