# What the library itself needs, and what is built beside it.
find_package(xtensor 0.24 REQUIRED)
find_package(xsimd 8.1 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
if(TESSERA_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
endif()

# Sets `option` to ON or OFF: ON needs its packages, AUTO takes them where they are found.
macro(tessera_decide option)  # packages...
  if(${option} STREQUAL "AUTO")
    set(${option} ON)
    foreach(package ${ARGN})
      find_package(${package} QUIET)
      if(NOT ${package}_FOUND)
        message(STATUS "${option}: OFF, ${package} was not found (bash cmake/install_dependencies.sh test installs all)")
        set(${option} OFF)
      endif()
    endforeach()
  elseif(${option})
    foreach(package ${ARGN})
      find_package(${package} REQUIRED)
    endforeach()
  endif()
endmacro()

tessera_decide(TESSERA_IMAGE_IO JPEG PNG)
foreach(part EXAMPLES TESTS BENCHMARKS)  # they read images
  if(NOT TESSERA_IMAGE_IO AND TESSERA_BUILD_${part} STREQUAL "AUTO")
    set(TESSERA_BUILD_${part} OFF)
  elseif(NOT TESSERA_IMAGE_IO AND TESSERA_BUILD_${part})
    message(FATAL_ERROR "TESSERA_BUILD_${part} is ON and needs tessera::image_io, which is OFF or lacks libjpeg or "
                        "libpng: set it to OFF too, or install them (bash cmake/install_dependencies.sh).")
  endif()
endforeach()
tessera_decide(TESSERA_BUILD_EXAMPLES CLI11)
tessera_decide(TESSERA_BUILD_TESTS doctest)
tessera_decide(TESSERA_BUILD_BENCHMARKS benchmark)
