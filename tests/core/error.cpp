#include <doctest/doctest.h>

#include <string>

#include <tessera/core/error.hpp>

TEST_CASE("an error is one line with its subject, what was found and what was expected") {
  const tessera::Error error(tessera::ErrorCode::mismatch, "a.npy", "shape [2, 3]", "shape [2, 4]");
  CHECK(std::string(error.what()) == "a.npy: found shape [2, 3], expected shape [2, 4]");
  CHECK(error.code() == tessera::ErrorCode::mismatch);
}

TEST_CASE("an error stays one line when a name holds line breaks") {
  const tessera::Error error(tessera::ErrorCode::bad_file, "a\nb\r.npy", "'\t' and more", "\u00fc");
  CHECK(std::string(error.what()) == "a?b?.npy: found '?' and more, expected \u00fc");
}
