# One command each: `cmake --build build/release --target format` (or format_check, which is a test too).
file(GLOB_RECURSE TESSERA_HEADERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.hpp)
file(GLOB_RECURSE TESSERA_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*.[ch]pp
     ${PROJECT_SOURCE_DIR}/benchmarks/*.[ch]pp ${PROJECT_SOURCE_DIR}/examples/*.[ch]pp)

find_program(CLANG_FORMAT NAMES clang-format-14)  # other versions format otherwise
if(CLANG_FORMAT)
  add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${TESSERA_HEADERS} ${TESSERA_SOURCES} VERBATIM)
  add_custom_target(format_check COMMAND ${CLANG_FORMAT} --dry-run --Werror ${TESSERA_HEADERS} ${TESSERA_SOURCES}
                    VERBATIM)
  if(TESSERA_BUILD_TESTS)
    add_test(NAME format COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target format_check)
  endif()
endif()
