#include <tessera/io/npy.hpp>

#include <doctest/doctest.h>

#include <files.hpp>

using tessera::DType;
using tessera::Index;
using tessera::NpyFile;
using namespace tessera_test;

namespace {

/// Version 1, as NumPy pads it or not.
std::string npy(const std::string& header, std::size_t data_bytes, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  for (std::size_t i = 0; i < (version == 1 ? 2u : 4u); ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + std::string(data_bytes, '\1');
}

std::string line_for(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = folder / "x.npy";
  write_bytes(path, bytes);
  const std::string line = error_line([&] { NpyFile file(path); });
  CHECK((line.empty() || line.starts_with(path.string() + ": ")));
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

std::string line_for_header(const std::string& header, std::size_t data_bytes = 24) {
  return line_for(npy(header, data_bytes));
}

constexpr auto good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

template <class T>
void round_trip(const std::vector<Index>& shape, const std::vector<T>& values) {
  const TemporaryFolder folder;
  const auto path = folder / "x.npy";
  tessera::write_npy<T>(path, shape, values);
  const NpyFile file(path);
  CHECK(file.shape() == shape);
  CHECK(std::vector<T>(file.values<T>().begin(), file.values<T>().end()) == values);
  CHECK((std::filesystem::file_size(path) - values.size() * sizeof(T)) % 64 == 0);
}

}  // namespace

TEST_CASE("npy: what is written is read") {
  round_trip<float>({2, 3}, {1.5f, -2.0f, 3e38f, 1e-40f, 0.0f, 7.0f});
  round_trip<double>({1}, {0.1});
  round_trip<std::int32_t>({2, 1, 2}, {1, -2, 2147483647, -2147483647});
  round_trip<std::int64_t>({}, {-5});
  round_trip<std::uint8_t>({3}, {0, 255, 7});
  round_trip<std::int8_t>({3}, {0, -128, 127});
  round_trip<std::uint16_t>({2}, {0, 65535});
  round_trip<std::int16_t>({2}, {-32768, 32767});
  round_trip<std::uint32_t>({2}, {0, 4294967295u});
  round_trip<std::uint64_t>({1}, {~std::uint64_t{0}});
  round_trip<float>({0, 4}, {});
}

TEST_CASE("npy: the header is NumPy's own, byte for byte") {
  const TemporaryFolder folder;
  const std::vector<float> values(6);
  const Index shape[] = {2, 3};
  tessera::write_npy<float>(folder / "x.npy", shape, values);
  const std::string bytes = read_bytes(folder / "x.npy");
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.append(117 - header.size(), ' ');
  CHECK(bytes.substr(0, 128) == std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n");
}

TEST_CASE("npy: versions 2 and 3, other spacing, unaligned data") {
  CHECK(line_for_header(good) == "");
  CHECK(line_for(npy(good, 24, 2)) == "");
  CHECK(line_for(npy(good, 24, 3)) == "");
  CHECK(line_for_header(R"({"shape":(2,3),"fortran_order":False,"descr":"<f4"})") == "");
  CHECK(line_for_header("{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}") == "");
  for (const char* descr : {"|u1", "<u1", ">u1", "=u1", "|i1", "|b1"}) {  // a single byte has no order
    CHECK(line_for_header(std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': ()}", 1) == "");
  }

  const TemporaryFolder folder;
  for (const char* spaces : {"", " ", "  ", "   "}) {
    const std::string header = std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }") + spaces;
    write_bytes(folder / "x.npy", npy(header, 0) + std::string("\x00\x00\x80\x3f", 4));
    CHECK(NpyFile(folder / "x.npy").values<float>()[0] == 1.0f);
  }
}

TEST_CASE("npy: a file of another kind is named") {
  const auto padded = [](const std::string& start) { return start + std::string(2000 - start.size(), ' '); };
  CHECK(contains(line_for("version https://git-lfs.github.com/spec/v1\n"), "found a Git LFS pointer"));
  CHECK(contains(line_for(padded("<!doctype html>")), "found an HTML page, expected a .npy file"));
  CHECK(contains(line_for(padded("PK\3\4")), "found a zip archive (also .npz, .pt)"));
  CHECK(contains(line_for(padded("\x80\4")), "found a Python pickle"));
  CHECK(contains(line_for(padded("\x1f\x8b")), "found a gzip file"));
}

TEST_CASE("npy: headers without end have lines of bounded length") {
  const std::string x(1'000'000, 'x');
  std::string sizes = "(1";
  while (sizes.size() < 1'000'000) sizes += ",1";
  for (const std::string& header :
       {"{'descr': '" + x + "'}", "{'" + x + "': 1}", "{'descr': '<f4', 'shape': " + sizes + ")}"}) {
    const std::string line = line_for(npy(header, 24, 2));
    CHECK(line != "");
    CHECK(line.size() < 1300);
  }
  CHECK(contains(line_for(npy(std::string(2'000'000, ' '), 0, 2)), "found a header of 2000000 bytes"));
}

TEST_CASE("npy: a file that is read into memory has the values of a mapped one, whatever happens to it") {
  const TemporaryFolder folder;
  write_bytes(folder / "x.npy", npy(good, 24));
  const NpyFile mapped(folder / "x.npy"), read(folder / "x.npy", tessera::FileAccess::read);
  const std::vector<float> before(mapped.values<float>().begin(), mapped.values<float>().end());
  std::filesystem::resize_file(folder / "x.npy", 0);
  CHECK(std::vector<float>(read.values<float>().begin(), read.values<float>().end()) == before);
}

TEST_CASE("npy: the wrong element type is refused") {
  const TemporaryFolder folder;
  write_bytes(folder / "x.npy", npy(good, 24));
  const NpyFile file(folder / "x.npy");
  CHECK(file.dtype() == DType::f32);
  CHECK(contains(error_line([&] { (void)file.values<std::int32_t>(); }), "found F32 elements, expected I32"));
}

TEST_CASE("npy: broken files are refused") {
  CHECK(contains(line_for(""), "found an empty file"));
  CHECK(contains(line_for("\x93NUMPX\x01\x00\x02\x00{}"), "no .npy signature"));
  CHECK(contains(line_for(npy(good, 24, 4)), "version 4"));
  CHECK(contains(line_for(npy(good, 24, 0)), "version 0"));
  const std::string whole = npy(good, 24);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(line_for(whole.substr(0, size)) != "");
  CHECK(contains(line_for(whole + "x"), "25 bytes of data"));
  CHECK(contains(line_for(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)), "a header of 4294967295 bytes"));
}

TEST_CASE("npy: broken headers are refused") {
  const auto with = [](const std::string& descr, const std::string& order, const std::string& shape) {
    return line_for_header("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }");
  };
  CHECK(with("'<f4'", "False", "(2, 3)") == "");
  CHECK(contains(with("'>f4'", "False", "(2, 3)"),
                 "big-endian descr '>f4', expected little-endian numbers (save with "
                 ".astype('<f4'))"));
  CHECK(contains(with("'>u2'", "False", "(2, 3)"), "save with .astype('<u2')"));
  CHECK(contains(with("'<U10'", "False", "(2, 3)"), "descr '<U10'"));
  CHECK(contains(with("'<c8'", "False", "(2, 3)"), "descr '<c8'"));
  CHECK(contains(with("'|O'", "False", "(2, 3)"), "descr '|O'"));
  CHECK(contains(with("''", "False", "(2, 3)"), "descr ''"));
  CHECK(contains(with("[('a', '<f4')]", "False", "(2, 3)"), "found a structured array"));
  CHECK(contains(with("'<f4'", "True", "(2, 3)"), "Fortran order"));
  CHECK(contains(with("'<f4'", "0", "(2, 3)"), "neither True nor False"));
  CHECK(contains(with("'<f4'", "False", "(-2, 3)"), "no number"));
  CHECK(contains(with("'<f4'", "False", "(6)"), "malformed shape"));
  CHECK(contains(with("'<f4'", "False", "(2 3)"), "malformed shape"));
  CHECK(contains(with("'<f4'", "False", "(2, 3"), "no number"));
  CHECK(contains(with("'<f4'", "False", "2"), "without '('"));
  CHECK(contains(with("'<f4'", "False", "(9223372036854775808,)"), "beyond 2^63"));
  CHECK(contains(with("'<f4'", "False", "(9223372036854775807,)"), "expected as many as shape"));
  CHECK(contains(with("'<f4'", "False", "(4294967296, 4294967296)"), "expected as many as shape"));
  CHECK(contains(with("'<f4'", "False", "(4611686018427387910,)"), "expected as many as shape"));  // 24 modulo 2^64
  CHECK(contains(with("'<f4'", "False", "(7,)"), "found 24 bytes of data"));
  CHECK(contains(line_for_header("{'descr': '<f4', 'descr': '<f4'}"), "key 'descr'"));
  CHECK(contains(line_for_header("{'descr': '<f4', 'more': 1}"), "key 'more'"));
  CHECK(contains(line_for_header("{'descr': '<f4'}"), "incomplete header"));
  CHECK(contains(line_for_header("{'descr: <f4}"), "quote that does not end"));
  CHECK(contains(line_for_header("{'descr': '<f4' 'shape': (1,)}"), "goes on after a value"));
  CHECK(contains(line_for_header(std::string(good) + "x"), "behind the header's '}'"));
  CHECK(contains(line_for_header(""), "without '{'"));
}

TEST_CASE("npy: an array that is written in parts") {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const tessera::View<const float> all(values);
  const Index shape[] = {2, 3};
  {
    tessera::NpyWriter<float> writer(folder / "x.npy", shape);
    writer.write(all.first(1));
    writer.write(all.subspan(1, 4));
    CHECK(contains(error_line([&] { writer.commit(); }), "found 5 elements, expected as many as shape [2, 3] needs"));
  }
  CHECK(!std::filesystem::exists(folder / "x.npy"));
  {
    tessera::NpyWriter<float> writer(folder / "x.npy", shape);
    writer.write(all);
    CHECK(contains(error_line([&] { writer.write(all.first(1)); }), "found 7 elements"));
  }
  CHECK(!std::filesystem::exists(folder / "x.npy"));
  tessera::NpyWriter<float> writer(folder / "x.npy", shape);
  writer.write(all.first(4));
  writer.write(all.subspan(4));
  writer.commit();
  tessera::write_npy<float>(folder / "y.npy", shape, all);
  CHECK(read_bytes(folder / "x.npy") == read_bytes(folder / "y.npy"));
  const Index wrong[] = {-1};
  CHECK(contains(error_line([&] { tessera::NpyWriter<float>(folder / "none" / "x.npy", wrong); }), "found shape [-1]"));
}

TEST_CASE("npy: a shape that does not fit the values is not written") {
  const TemporaryFolder folder;
  const std::vector<float> values(5);
  const Index shape[] = {2, 3};
  CHECK(contains(error_line([&] { tessera::write_npy<float>(folder / "x.npy", shape, values); }), "found 5 elements"));
  CHECK(!std::filesystem::exists(folder / "x.npy"));
}
