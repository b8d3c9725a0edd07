#include <doctest/doctest.h>

#include <string>

#include <tessera/core/error.hpp>

TEST_CASE("an error is one line with its subject, what was found and what was expected") {
  const tessera::Error error(tessera::ErrorCode::mismatch, "a.npy", "shape [2, 3]", "shape [2, 4]");
  CHECK(std::string(error.what()) == "a.npy: found shape [2, 3], expected shape [2, 4]");
  CHECK(error.code() == tessera::ErrorCode::mismatch);
}
