// System calls that a signal handler's return interrupts are called again.
#pragma once

#include <cerrno>

namespace tessera::detail {

/// call(), again as long as it is interrupted: its result, with errno as the last call left it.
template <class Call>
auto retry_interrupted(Call&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace tessera::detail
