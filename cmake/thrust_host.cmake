# tessera::thrust_host: what tessera/backend/thrust/thrust_host.hpp needs, where OpenMP and Thrust's headers are found
# (Debian's libthrust-dev, or a CUDA Toolkit's). Read by tessera's own build and, installed, by find_package(tessera).
find_package(OpenMP QUIET COMPONENTS CXX)
find_path(TESSERA_THRUST_INCLUDE_DIR thrust/version.h PATHS /usr/local/cuda/include/cccl /usr/local/cuda/include
          DOC "Folder of Thrust's headers" NO_CACHE)  # searched again at each configure: packages come and go
if(OpenMP_CXX_FOUND AND EXISTS "${TESSERA_THRUST_INCLUDE_DIR}/thrust/version.h" AND NOT TARGET tessera::thrust_host)
  # Imported, so that a library that is made with it can be exported: whoever uses that looks for Thrust anew.
  add_library(tessera::thrust_host INTERFACE IMPORTED GLOBAL)
  target_link_libraries(tessera::thrust_host INTERFACE tessera::tessera OpenMP::OpenMP_CXX)
  target_include_directories(tessera::thrust_host SYSTEM INTERFACE ${TESSERA_THRUST_INCLUDE_DIR})
  # Else Thrust's headers look for CUDA's.
  target_compile_definitions(tessera::thrust_host INTERFACE THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_OMP)
endif()
