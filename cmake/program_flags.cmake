# How our own programs, tests and benchmarks are compiled. Users of the library get none of this.
add_library(tessera_program_flags INTERFACE)
target_compile_options(tessera_program_flags INTERFACE -Wall -Wextra -Wpedantic)
# g++ 12 sees overlapping copies in `"text" + std::string()` that cannot happen (GCC bug 105651).
target_compile_options(tessera_program_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(TESSERA_WERROR)
  target_compile_options(tessera_program_flags INTERFACE -Werror)
endif()
if(TESSERA_NATIVE)
  target_compile_options(tessera_program_flags INTERFACE -march=native)
endif()
if(TESSERA_SANITIZE)
  target_compile_options(tessera_program_flags INTERFACE -fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all
                                                         -fno-omit-frame-pointer)
  target_link_options(tessera_program_flags INTERFACE -fsanitize=${TESSERA_SANITIZE})
endif()
