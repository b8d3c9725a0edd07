#include <tessera/io/tokens.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

#include <files.hpp>

using tessera::Index;
using tessera::TokenTable;
using namespace tessera_test;

namespace {

TokenTable sample() {
  TokenTable table;
  table.length = 3;
  table.tokens = {0, 7, 9, 1, 2, 3};
  table.files = {"cat.png", "a \"dog\".jpg"};
  return table;
}

/// Reads as 3 tokens per image out of 10 codes.
TokenTable read(const std::string& name, const std::string& content) {
  const TemporaryFolder folder;
  write_bytes(folder / name, content);
  return tessera::read_tokens(folder / name, 3, 10);
}

std::string line_for(const std::string& name, const std::string& content) {
  return error_line([&] { read(name, content); });
}

}  // namespace

TEST_CASE("tokens: what is written is read, in each format") {
  const TemporaryFolder folder;
  for (const char* name : {"x.npy", "x.jsonl", "x.txt"}) {
    CAPTURE(name);
    tessera::write_tokens(folder / name, sample());
    const TokenTable table = tessera::read_tokens(folder / name, 3, 10);
    CHECK(table.tokens == sample().tokens);
    CHECK(table.images() == 2);
    CHECK(table.image(1)[2] == 3);
    if (std::string_view(name) == "x.jsonl") CHECK(table.files == sample().files);
  }
  CHECK(read_bytes(folder / "x.txt") == "0 7 9\n1 2 3\n");
  CHECK(read_bytes(folder / "x.jsonl") ==
        "{\"file\":\"cat.png\",\"tokens\":[0,7,9]}\n{\"file\":\"a \\\"dog\\\".jpg\",\"tokens\":[1,2,3]}\n");
}

TEST_CASE("tokens: int64 arrays, Windows line ends, blank lines, commas and a missing last line end are read") {
  const TemporaryFolder folder;
  const std::vector<std::int64_t> ids = {1, 2, 3};
  const Index shape[] = {1, 3};
  tessera::write_npy<std::int64_t>(folder / "x.npy", shape, ids);
  CHECK(tessera::read_tokens(folder / "x.npy", 3, 10).tokens == std::vector<tessera::Token>{1, 2, 3});
  CHECK(read("x.txt", "\r\n1, 2,3\r\n\n 4\t5 6").tokens == std::vector<tessera::Token>{1, 2, 3, 4, 5, 6});
  CHECK(read("x.jsonl", "{\"tokens\": [1, 2, 3]}").files == std::vector<std::string>{""});
}

TEST_CASE("tokens: a table of wrong sizes is not written") {
  const TemporaryFolder folder;
  for (const char* name : {"x.npy", "x.jsonl", "x.txt"}) {
    CAPTURE(name);
    const auto line = [&](const TokenTable& table) {
      return error_line([&] { tessera::write_tokens(folder / name, table); });
    };
    TokenTable half = sample(), none = sample(), unnamed = sample();
    half.tokens.pop_back();
    CHECK(contains(line(half), "found 5 tokens, expected whole images of 3"));
    none.length = 0;
    CHECK(contains(line(none), "found 6 tokens, expected whole images of 0"));
    unnamed.files.pop_back();
    CHECK(contains(line(unnamed), "found 1 names of images, expected 2, or none"));
    CHECK_FALSE(std::filesystem::exists(folder / name));
  }
}

TEST_CASE("tokens: ids outside of the codebook and wrong counts are refused with their line") {
  CHECK(contains(line_for("x.txt", "1 2 3\n1 2 10\n"), "x.txt, line 2: found token 10, expected ids from 0 to 9"));
  CHECK(contains(line_for("x.txt", "-1 2 3\n"), "line 1: found token -1"));
  CHECK(contains(line_for("x.txt", "1 2\n"), "line 1: found 2 tokens, expected 3 per image"));
  CHECK(contains(line_for("x.txt", "1 2 3 4\n"), "line 1: found 4 tokens"));
  CHECK(contains(line_for("x.txt", "1 2 x3\n"), "line 1: found 'x3', expected an integer"));
  CHECK(contains(line_for("x.txt", "1 2 3.0\n"), "found '3.0'"));
  CHECK(contains(line_for("x.txt", "1 2 99999999999999999999\n"), "found '99999999999999999999'"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":[1,2,3]}\n{\"tokens\":[1,2]}"), "line 2: found 2 tokens"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":[1,2,10]}"), "line 1: found token 10"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":[1,2,18446744073709551615]}"), "token 18446744073709551615"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":[1,2,3.5]}"), "a token that is no integer"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":7}"), "no array \"tokens\""));
  CHECK(contains(line_for("x.jsonl", "[1,2,3]"), "no JSON object"));
  CHECK(contains(line_for("x.jsonl", "{\"tokens\":[1,2,3]"), "no JSON object"));
  CHECK(contains(line_for("x.jsonl", "{\"file\":1,\"tokens\":[1,2,3]}"), "a \"file\" that is no string"));

  const TemporaryFolder folder;
  const std::vector<std::int32_t> ids = {1, 2, 3, 12};
  const Index one_row[] = {1, 4}, flat[] = {4}, cube[] = {1, 1, 4};
  const auto line = [&](tessera::View<const Index> shape, Index length) {
    tessera::write_npy<std::int32_t>(folder / "x.npy", shape, ids);
    return error_line([&] { tessera::read_tokens(folder / "x.npy", length, 10); });
  };
  CHECK(contains(line(one_row, 3), "found shape [1, 4], expected [B, 3], or [3] for one image"));
  CHECK(contains(line(flat, 3), "found shape [4]"));
  CHECK(contains(line(cube, 4), "found shape [1, 1, 4]"));
  CHECK(contains(line(one_row, 4), "found token 12"));
  const std::vector<float> floats(4);
  tessera::write_npy<float>(folder / "x.npy", one_row, floats);
  CHECK(contains(error_line([&] { tessera::read_tokens(folder / "x.npy", 4, 10); }), "found F32 elements"));
}

TEST_CASE("tokens: arrays of every integer type are read, and one image without a dimension for it") {
  const TemporaryFolder folder;
  const auto check = [&]<class T>(T) {
    const std::vector<T> ids = {1, 2, 9}, wrong = {1, 2, 10}, largest = {1, 2, std::numeric_limits<T>::max()},
                         least = {1, 2, std::numeric_limits<T>::lowest()};
    const auto written = [&](const std::vector<T>& values, std::vector<Index> shape) {
      tessera::write_npy<T>(folder / "x.npy", shape, values);
      return tessera::read_tokens(folder / "x.npy", 3, 10).tokens;
    };
    CHECK(written(ids, {1, 3}) == std::vector<tessera::Token>{1, 2, 9});
    CHECK(written(ids, {3}) == std::vector<tessera::Token>{1, 2, 9});
    CHECK(contains(error_line([&] { written(wrong, {1, 3}); }), "found token 10, expected ids from 0 to 9"));
    CHECK(contains(error_line([&] { written(largest, {1, 3}); }), "found token " + std::to_string(largest[2])));
    if (std::is_signed_v<T>) {
      CHECK(contains(error_line([&] { written(least, {1, 3}); }), "found token " + std::to_string(least[2])));
    }
  };
  check(std::uint8_t{}), check(std::int8_t{}), check(std::uint16_t{}), check(std::int16_t{});
  check(std::uint32_t{}), check(std::int32_t{}), check(std::uint64_t{}), check(std::int64_t{});
}

TEST_CASE("tokens: a byte order mark is skipped in every text") {
  const std::string mark = "\xef\xbb\xbf";
  CHECK(read("x.txt", mark + "1 2 3\n").tokens == std::vector<tessera::Token>{1, 2, 3});
  CHECK(read("x.jsonl", mark + "{\"tokens\":[1,2,3]}\n").tokens == std::vector<tessera::Token>{1, 2, 3});
  CHECK(contains(line_for("x.txt", mark), "found no tokens"));
  CHECK(contains(line_for("x.txt", "1 2 3\n" + mark + "4 5 6\n"), "line 2: found '" + mark + "4'"));
}

TEST_CASE("tokens: a file without tokens is refused, in each format") {
  for (const char* content : {"", "\n", " \r\n\n"}) {
    CHECK(contains(line_for("x.txt", content), "x.txt: found no tokens, expected 3 per image"));
    CHECK(contains(line_for("x.jsonl", content), "x.jsonl: found no tokens"));
  }
  const TemporaryFolder folder;
  const Index none[] = {0, 3};
  tessera::write_npy<std::int32_t>(folder / "x.npy", none, {});
  CHECK(contains(error_line([&] { tessera::read_tokens(folder / "x.npy", 3, 10); }), "x.npy: found no tokens"));
  CHECK(contains(line_for("x.npy", ""), "found an empty file"));
}

TEST_CASE("tokens: a file of another kind is named") {
  for (const char* name : {"x.txt", "x.jsonl"}) {
    CHECK(contains(line_for(name, "version https://git-lfs.github.com/spec/v1\n"), "found a Git LFS pointer"));
    CHECK(contains(line_for(name, "<!doctype html><html>"), "found an HTML page"));
    CHECK(contains(line_for(name, std::string("\xff\xfe"
                                              "1\0 \0",
                                              6)),
                   "found UTF-16 text"));
    CHECK(contains(line_for(name, "PK\3\4 and so on"), "found a zip archive"));
  }
}

TEST_CASE("tokens: lines longer than what is read at once") {
  std::string text;
  for (int line = 0; line < 30; ++line) text += "1" + std::string(100'003, ' ') + "2 3\r\n";
  const TokenTable table = read("x.txt", text);
  CHECK(table.images() == 30);
  CHECK(table.image(29)[1] == 2);
  CHECK(contains(line_for("x.txt", text + "1 2"), "line 31: found 2 tokens"));
  CHECK(contains(line_for("x.txt", std::string(20'000'000, '7')), "line 1: found '777"));
  CHECK(line_for("x.jsonl", "{\"tokens\":\"" + std::string(20'000'000, '7')).size() < 1300);
}
