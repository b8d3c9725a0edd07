#include <tessera/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <files.hpp>

using tessera::DType;
using tessera::Index;
using tessera::SafetensorsFile;
using tessera::TensorInfo;
using tessera::TensorToWrite;
using tessera::View;
using namespace tessera_test;

namespace {

std::string little_endian(std::uint64_t number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

std::string file_with(const std::string& header, std::size_t data_bytes) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\1');
}

/// The error line for a file of these bytes; it must name the file and be one line.
std::string line_for(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  write_bytes(path, bytes);
  const std::string line = error_line([&] { SafetensorsFile file(path); });
  CHECK((line.empty() || line.starts_with(path.string() + ": ")));
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

std::string line_for_header(const std::string& header, std::size_t data_bytes = 8) {
  return line_for(file_with(header, data_bytes));
}

constexpr auto good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

}  // namespace

TEST_CASE("safetensors: what is written is read") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  const std::vector<float> weights = {1.5f, -2.25f, 1e-30f, 3e38f, 0.0f, -0.0f};
  const std::vector<std::int64_t> step = {std::int64_t{1} << 40};
  const std::vector<std::uint8_t> flags = {1, 2, 255};
  const std::vector<double> loss = {0.1, -1e300};
  const std::vector<TensorToWrite> tensors = {tessera::tensor_to_write<std::uint8_t>("flags", {3}, flags),
                                              tessera::tensor_to_write<float>("encoder.weight", {2, 3}, weights),
                                              tessera::tensor_to_write<std::int64_t>("step", {}, step),
                                              tessera::tensor_to_write<double>("loss", {2, 1}, loss),
                                              tessera::tensor_to_write<float>("nothing", {0, 7}, {})};
  tessera::write_safetensors(path, tensors, {{"config", "{\"a\": \"b\nc\"}"}, {"\u00fc", "\u2713"}});

  const SafetensorsFile file(path);
  CHECK(file.tensors().size() == 5);
  CHECK(file.metadata().at("config") == "{\"a\": \"b\nc\"}");
  CHECK(file.metadata().at("\u00fc") == "\u2713");
  CHECK(file.find("missing") == nullptr);

  std::vector<float> read(6, std::numeric_limits<float>::quiet_NaN());
  REQUIRE(file.find("encoder.weight") != nullptr);
  CHECK(file.find("encoder.weight")->shape == std::vector<Index>{2, 3});
  file.read_float32(*file.find("encoder.weight"), read);
  CHECK(read == weights);
  CHECK(std::signbit(read[5]));

  std::vector<std::int64_t> counter(1, -1);
  file.read<std::int64_t>(*file.find("step"), counter);
  CHECK(counter == step);
  CHECK(file.find("step")->shape.empty());
  std::vector<std::uint8_t> bytes(3);
  file.read<std::uint8_t>(*file.find("flags"), bytes);
  CHECK(bytes == flags);
  std::vector<double> doubles(2);
  file.read<double>(*file.find("loss"), doubles);
  CHECK(doubles == loss);
  CHECK(file.bytes(*file.find("nothing")).empty());

  // Wider elements first, and the data at a multiple of 8: every tensor is aligned.
  CHECK(file.tensors().back().name == "flags");
  const std::string bytes_in_file = read_bytes(path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes_in_file.data(), 8);
  CHECK(length % 8 == 0);
}

TEST_CASE("safetensors: float32 stored as F16, and F16, BF16, F64 read as float32") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  std::vector<float> values;
  for (int i = 0; i < 10000; ++i) values.push_back(std::sin(static_cast<float>(i)) * 100.0f);
  TensorToWrite tensor = tessera::tensor_to_write<float>("w", {100, 100}, values);
  tensor.stored = DType::f16;
  tessera::write_safetensors(path, {&tensor, 1});
  CHECK(std::filesystem::file_size(path) < 20000 + 200);

  const SafetensorsFile file(path);
  CHECK(file.find("w")->dtype == DType::f16);
  std::vector<float> read(values.size(), std::numeric_limits<float>::quiet_NaN());
  file.read_float32(*file.find("w"), read);
  for (std::size_t i = 0; i < values.size(); ++i)
    REQUIRE(std::abs(read[i] - values[i]) <= std::abs(values[i]) * 0x1p-11f);

  const auto one = [&](const std::string& dtype, const std::string& data) {
    const std::string end = std::to_string(data.size());
    const std::string header = R"({"a":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,)" + end + "]}}";
    write_bytes(path, little_endian(header.size()) + header + data);
    const SafetensorsFile other(path);
    float value = std::numeric_limits<float>::quiet_NaN();
    other.read_float32(*other.find("a"), {&value, 1});
    return value;
  };
  CHECK(one("BF16", "\x80\x3f") == 1.0f);
  CHECK(one("F16", std::string("\x00\xc0", 2)) == -2.0f);
  CHECK(one("F64", std::string("\0\0\0\0\0\0\xf8\x3f", 8)) == 1.5f);
  CHECK(contains(error_line([&] { one("I32", "abcd"); }), "'a': found I32, expected F32, F16, BF16 or F64"));
}

TEST_CASE("safetensors: reading into the wrong size or type is refused") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  write_bytes(path, file_with(good, 8));
  const SafetensorsFile file(path);
  std::vector<float> three(3);
  CHECK(
      contains(error_line([&] { file.read_float32(*file.find("a"), three); }), "found shape [2], expected 3 elements"));
  std::vector<double> two(2);
  CHECK(contains(error_line([&] { file.read<double>(*file.find("a"), two); }), "found F32, expected F64"));
}

TEST_CASE("safetensors: a tensor need not be aligned") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  write_bytes(path, little_endian(header.size()) + header + std::string("\x07\x00\x00\x80\x3f", 5));
  const SafetensorsFile file(path);
  float value = 0;
  file.read_float32(*file.find("a"), {&value, 1});
  CHECK(value == 1.0f);
}

TEST_CASE("safetensors: well-formed corner cases are read") {
  CHECK(line_for_header(good) == "");
  CHECK(line_for_header("{}", 0) == "");
  CHECK(line_for_header("{}      ", 0) == "");
  CHECK(line_for_header(R"({"__metadata__":{}})", 0) == "");
  CHECK(line_for_header(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4) == "");
  CHECK(line_for_header(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},)"
                        R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})") == "");
}

TEST_CASE("safetensors: every broken length is refused") {
  CHECK(contains(line_for(""), "found an empty file"));
  CHECK(contains(line_for("1234567"), "found 7 bytes"));
  for (const std::uint64_t length : {std::uint64_t{1} << 63, ~std::uint64_t{0}, (std::uint64_t{1} << 63) - 1,
                                     ~std::uint64_t{0} - 7, std::uint64_t{1000}}) {
    CHECK(contains(line_for(little_endian(length) + "{}"), "found a header length of " + std::to_string(length)));
  }
  const std::string whole = file_with(good, 8);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(line_for(whole.substr(0, size)) != "");
  CHECK(contains(line_for(whole + "x"), "9 bytes of data"));
}

TEST_CASE("safetensors: a file of another kind is named") {
  const auto padded = [](const std::string& start) { return start + std::string(2000 - start.size(), ' '); };
  for (const auto& other :
       {std::pair{std::string("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"),
                  "a Git LFS pointer, not the file itself (run git lfs pull)"},
        {padded("<!DOCTYPE html>\n<html><head>"), "an HTML page"},
        {padded("\n<HTML>"), "an HTML page"},
        {padded("{\"error\": \"not found\"}"), "JSON text"},
        {padded("Entry not found"), "text"},
        {padded("\x1f\x8b\x08"), "a gzip file"},
        {padded("\x93NUMPY\x01"), "a NumPy array (.npy)"},
        {padded("GGUF\3"), "a GGUF model"},
        {padded("\x89HDF\r\n\x1a\n"), "an HDF5 file"},
        {padded("\xff\xd8\xff\xe0"), "a JPEG image"}}) {
    CHECK(contains(line_for(other.first), std::string("found ") + other.second + ", expected a safetensors file"));
  }
  CHECK(contains(line_for(padded("PK\3\4")), "found a PyTorch pickle"));
}

TEST_CASE("safetensors: names, texts and shapes without end have lines of bounded length") {
  const std::string x(20'000'000, 'x');
  std::string sizes = "1";
  while (sizes.size() < 1'000'000) sizes += ",1";
  for (const std::string& header :
       {"{\"" + x + "\":1}", "{\"a\":{\"dtype\":\"" + x + "\"}}", "{\"a\":{\"" + x + "\":1}}",
        "{\"__metadata__\":{\"" + x + "\":1}}", "{\"a\":{\"dtype\":\"F32\",\"shape\":[" + sizes + "]}}"}) {
    const std::string line = line_for_header(header);
    CHECK(line != "");
    CHECK(line.size() < 1300);
  }
}

TEST_CASE("safetensors: a file that is read into memory has the values of a mapped one, whatever happens to it") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  write_bytes(path, file_with(good, 8));
  const SafetensorsFile mapped(path), read(path, tessera::FileAccess::read);
  const tessera::TensorInfo& tensor = read.tensors().front();
  const auto bytes_of = [&](const SafetensorsFile& file) {
    const auto bytes = file.bytes(tensor);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const std::vector<std::byte> before = bytes_of(mapped);
  CHECK(bytes_of(read) == before);
  std::filesystem::resize_file(path, 0);
  read.release(tensor);
  CHECK(bytes_of(read) == before);
}

TEST_CASE("safetensors: every broken header is refused") {
  const auto tensor = [](const std::string& fields) { return R"({"a":{)" + fields + "}}"; };
  CHECK(contains(line_for_header(""), "does not start with '{'"));
  CHECK(contains(line_for_header(" {}"), "does not start with '{'"));
  CHECK(contains(line_for_header("{"), "invalid JSON at byte"));
  CHECK(contains(line_for_header("{}{}"), "invalid JSON at byte"));
  CHECK(contains(line_for_header("{\"\xff\":1}"), "invalid JSON at byte"));
  CHECK(contains(line_for_header("[]"), "does not start with '{'"));
  CHECK(contains(line_for_header(R"({"a":1})"), "'a': found a number"));
  CHECK(contains(line_for_header(R"({"a":null})"), "'a': found null"));
  CHECK(contains(line_for_header(R"({"a":[]})"), "'a': found an array"));
  CHECK(contains(line_for_header(tensor("")), "found 0 keys"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2])")), "found 2 keys"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1)")), "key 'more'"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])")), "dtype 'F33'"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"f32","shape":[2],"data_offsets":[0,8])")), "dtype 'f32'"));
  CHECK(contains(line_for_header(tensor(R"("dtype":3,"shape":[2],"data_offsets":[0,8])")), "a string as dtype"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":2,"data_offsets":[0,8])")), "array of integers"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])")), "negative number"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])")), "64-bit integer"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])")), "found an array"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":["2"],"data_offsets":[0,8])")), "found a string"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0])")), "1 data_offsets"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])")), "3 data_offsets"));
  CHECK(contains(line_for_header(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])")), "begin <= end"));
}

TEST_CASE("safetensors: duplicate names and keys are refused") {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  CHECK(contains(line_for_header("{" + a + "," + a + "}"), "the name 'a' twice"));
  CHECK(contains(line_for_header(R"({"__metadata__":{},"__metadata__":{}})", 0), "twice"));
  CHECK(contains(line_for_header(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "the key 'k' twice"));
  CHECK(contains(line_for_header(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "twice"));
}

TEST_CASE("safetensors: metadata maps strings to strings") {
  CHECK(contains(line_for_header(R"({"__metadata__":{"k":1}})", 0), "a string as the value of 'k'"));
  CHECK(contains(line_for_header(R"({"__metadata__":{"k":{}}})", 0), "a string as the value of 'k'"));
  CHECK(contains(line_for_header(R"({"__metadata__":"k"})", 0), "found a string"));
}

TEST_CASE("safetensors: sizes and offsets that lie are refused") {
  const auto with = [](const std::string& shape, const std::string& offsets) {
    return line_for_header(R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}");
  };
  CHECK(contains(with("[3]", "[0,8]"), "12 bytes"));
  CHECK(contains(with("[2]", "[0,12]"), "at most the file's 8 bytes"));
  CHECK(contains(with("[2]", "[0,9223372036854775807]"), "at most the file's 8 bytes"));
  CHECK(contains(with("[2]", "[0,9223372036854775808]"), "below 2^63"));
  CHECK(contains(with("[2]", "[0,18446744073709551616]"), "no 64-bit integer"));
  CHECK(contains(with("[9223372036854775808]", "[0,8]"), "below 2^63"));
  CHECK(contains(with("[4294967296,4294967296]", "[0,8]"), "less than 2^63 bytes"));
  CHECK(contains(with("[4611686018427387904,2]", "[0,8]"), "less than 2^63 bytes"));
  CHECK(contains(with("[4611686018427387905]", "[0,4]"), "less than 2^63 bytes"));  // times 4 is 4 modulo 2^64
}

TEST_CASE("safetensors: overlaps and holes are refused") {
  const auto two = [](const std::string& first, const std::string& second, std::size_t data) {
    return line_for_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                               R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                           data);
  };
  CHECK(two("[0,4]", "[4,8]", 8) == "");
  CHECK(two("[4,8]", "[0,4]", 8) == "");
  CHECK(contains(two("[0,4]", "[0,4]", 4), "'b': found data_offsets [0, 4], expected 4 as begin"));
  CHECK(contains(two("[0,4]", "[3,7]", 7), "without overlaps"));
  CHECK(contains(two("[0,4]", "[5,9]", 9), "without holes"));
  CHECK(contains(two("[1,5]", "[5,9]", 9), "without holes"));
  CHECK(contains(two("[0,4]", "[4,8]", 9), "found 9 bytes of data, expected 8"));
}

TEST_CASE("safetensors: a name with a line break stays one error line") {
  CHECK(contains(line_for_header(R"({"a\nb":1})"), "'a?b'"));
}

TEST_CASE("safetensors: what cannot be written is refused, and the old file stays") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  write_bytes(path, "old");
  const std::vector<float> values(4);
  const auto line = [&](std::vector<TensorToWrite> tensors) {
    return error_line([&] { tessera::write_safetensors(path, tensors); });
  };
  const auto a = tessera::tensor_to_write<float>("a", {4}, values);
  CHECK(contains(line({a, a}), "two tensors of one name"));
  CHECK(contains(line({tessera::tensor_to_write<float>("a", {5}, values)}), "found 16 bytes"));
  CHECK(contains(line({tessera::tensor_to_write<float>("__metadata__", {4}, values)}), "reserved"));
  CHECK(contains(line({tessera::tensor_to_write<float>("\xff", {4}, values)}), "UTF-8"));
  TensorToWrite as_bf16 = a;
  as_bf16.stored = DType::bf16;
  CHECK(contains(line({as_bf16}), "found F32 stored as BF16"));
  CHECK(read_bytes(path) == "old");
  CHECK(contains(error_line([&] { SafetensorsFile file(folder / "missing"); }), "missing: found No such file"));
  CHECK(contains(error_line([&] { SafetensorsFile file(folder.path()); }), "found a folder"));
}
