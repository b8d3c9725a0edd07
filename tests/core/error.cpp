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

TEST_CASE("an error line has a limit: the start and the end of a long part stay, characters stay whole") {
  const std::string long_part = "begin" + std::string(20'000'000, 'x') + "end";
  const tessera::Error error(tessera::ErrorCode::bad_file, long_part, long_part, long_part);
  const std::string line = error.what();
  CHECK(line.size() < 3 * tessera::most_shown + 30);
  CHECK(line.starts_with("beginxxx"));
  CHECK(line.ends_with("xxxend"));
  CHECK(line.find("xend: found begin") != std::string::npos);
  for (std::size_t start = 0; start < 4; ++start) {  // every place where a character of 1 to 4 bytes can be cut
    for (const std::string character : {"x", "\u00fc", "\u20ac", "\U0001f600"}) {
      std::string text(start, '.');
      while (text.size() < 1000) text += character;
      const std::string cut = tessera::one_line(text);
      CHECK(cut.size() <= tessera::most_shown);
      CHECK(cut.size() > tessera::most_shown - 8);
      const std::size_t gap = cut.find(" ... ");
      REQUIRE(gap != std::string::npos);
      CHECK((gap - start) % character.size() == 0);
      CHECK((cut.size() - gap - 5) % character.size() == 0);
    }
  }
  CHECK(tessera::one_line(std::string(400, 'x')) == std::string(400, 'x'));
  CHECK(tessera::one_line(std::string(300'000, '\x80')).size() <= tessera::most_shown);  // no UTF-8 at all
}
