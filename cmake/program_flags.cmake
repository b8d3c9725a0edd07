# How our own programs, tests and benchmarks are compiled. Users of the library get none of this.
add_library(tessera_program_flags INTERFACE)
set(cxx $<COMPILE_LANGUAGE:CXX>)
set(cuda $<COMPILE_LANGUAGE:CUDA>)
target_compile_options(tessera_program_flags INTERFACE "$<${cxx}:-Wall;-Wextra;-Wpedantic>")
# -Wpedantic would complain of what nvcc itself writes.
target_compile_options(tessera_program_flags INTERFACE "$<${cuda}:-Xcompiler=-Wall,-Wextra>")
# nvcc's front end calls a loop over an unsigned number pointless where a template makes its end zero (186).
target_compile_options(tessera_program_flags INTERFACE "$<${cuda}:--diag-suppress=186>")
# g++ 12 sees overlapping copies in `"text" + std::string()` that cannot happen (GCC bug 105651).
target_compile_options(tessera_program_flags INTERFACE "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>")
# libstdc++ checks each access to a span, vector or array and stops at a wrong one: no cost that can be measured.
target_compile_definitions(tessera_program_flags INTERFACE $<${cxx}:_GLIBCXX_ASSERTIONS>)
if(TESSERA_WERROR)
  target_compile_options(tessera_program_flags INTERFACE "$<${cxx}:-Werror>" "$<${cuda}:SHELL:-Werror all-warnings>")
endif()
if(TESSERA_NATIVE)
  target_compile_options(tessera_program_flags INTERFACE "$<${cxx}:-march=native>"
                                                         "$<${cuda}:-Xcompiler=-march=native>")
endif()
if(TESSERA_SANITIZE)
  target_compile_definitions(tessera_program_flags INTERFACE $<${cxx}:_GLIBCXX_DEBUG>)  # iterators are checked too
  target_compile_options(tessera_program_flags INTERFACE -fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all
                                                         -fno-omit-frame-pointer)
  target_link_options(tessera_program_flags INTERFACE -fsanitize=${TESSERA_SANITIZE})
endif()
