# Everything that is not the library itself is built only when tessera is the project being built.
option(TESSERA_BUILD_EXAMPLES "Build the tessera program and the short examples" ${PROJECT_IS_TOP_LEVEL})
option(TESSERA_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(TESSERA_BUILD_BENCHMARKS "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(TESSERA_NATIVE "Compile our programs for this machine's instruction set" ${PROJECT_IS_TOP_LEVEL})
option(TESSERA_WERROR "Treat warnings in our programs as errors" OFF)
option(TESSERA_OPENMP "Use OpenMP where it is found; without it everything runs on one thread" ON)
option(TESSERA_IMAGE_IO "Offer tessera::image_io (needs libjpeg and libpng)" ON)
set(TESSERA_SANITIZE "" CACHE STRING "Sanitizers for our programs, as for -fsanitize=")
