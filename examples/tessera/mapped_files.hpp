// Files that are mapped (models, arrays) and that another program shortens meanwhile. Reading what is gone raises
// SIGBUS, which would end the program. A library installs no signal handler; the program does.
#pragma once

namespace program {

/// Call once, at the start. From here on, zeros are read where a mapped file has lost its bytes.
void guard_mapped_files();

/// Call after reading from mapped files and before using or keeping what was read. Throws Error(file_access) where a
/// file lost bytes that were read since the program started.
void check_mapped_files();

}  // namespace program
