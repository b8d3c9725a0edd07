# cmake -DCOMPILER=g++ -DFLAGS=-mavx2 ... -P check.cmake: builds same_bits.cpp with these flags, runs it, and compares what
# it prints with what EXPECTED, another build of it, prints. See CMakeLists.txt.
foreach(tool IN ITEMS ${COMPILER} ${RUNNER})
  find_program(found ${tool} NO_CACHE)
  if(NOT found)
    message("skipped: ${tool} is not installed")
    return()
  endif()
  unset(found)
endforeach()
if(NEEDS)
  file(STRINGS /proc/cpuinfo lines REGEX "^flags.* ${NEEDS}( |$)" LIMIT_COUNT 1)
  if(NOT lines)
    message("skipped: this processor has no ${NEEDS}")
    return()
  endif()
endif()

# -idirafter: a cross compiler must find its own C library before this machine's.
list(TRANSFORM INCLUDES PREPEND -idirafter)
execute_process(COMMAND ${COMPILER} -std=c++20 -O2 -ffp-contract=off -pthread ${FLAGS} ${INCLUDES} ${SOURCE}
                        -o ${PROGRAM}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${EXPECTED} OUTPUT_VARIABLE expected COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${RUNNER} ${PROGRAM} OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
if(expected STREQUAL "" OR NOT found STREQUAL expected)
  message(FATAL_ERROR "found\n${found}expected\n${expected}")
endif()
