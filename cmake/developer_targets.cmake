# One command each: `cmake --build build/release --target format` (or format_check, lint).
file(GLOB_RECURSE TESSERA_HEADERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.hpp)
file(GLOB_RECURSE TESSERA_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*.[ch]pp
     ${PROJECT_SOURCE_DIR}/benchmarks/*.[ch]pp ${PROJECT_SOURCE_DIR}/examples/*.[ch]pp)

find_program(CLANG_FORMAT NAMES clang-format clang-format-16 clang-format-14)
if(CLANG_FORMAT)
  add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${TESSERA_HEADERS} ${TESSERA_SOURCES} VERBATIM)
  add_custom_target(format_check COMMAND ${CLANG_FORMAT} --dry-run --Werror ${TESSERA_HEADERS} ${TESSERA_SOURCES}
                    VERBATIM)
endif()

find_program(CLANG_TIDY NAMES clang-tidy clang-tidy-16 clang-tidy-14)
if(CLANG_TIDY)
  add_custom_target(lint COMMAND ${CLANG_TIDY} --quiet ${TESSERA_HEADERS} -- -x c++ -std=c++20 -march=native -fopenmp
                    -I${PROJECT_SOURCE_DIR}/include VERBATIM)
endif()
