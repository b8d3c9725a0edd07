// Mutated files for every reader of io/: each must load, or end in a tessera::Error of one line. Anything else (another
// exception, a crash, a sanitizer's report) fails. Seeded, so that a failure can be repeated; TESSERA_FUZZ_FILES in the
// environment sets the number of files per format (1000).
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <tessera/io/checkpoint.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/io/tokens.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

#include <files.hpp>
#include <image_files.hpp>

namespace {

using namespace tessera_test;
using Seeds = std::vector<std::string>;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 <= result < count.
  std::size_t below(std::size_t count) { return count > 0 ? engine_() % count : 0; }
  char byte() { return static_cast<char>(engine_()); }

 private:
  std::mt19937_64 engine_;
};

/// Numbers around the limits of integer types and sizes.
constexpr std::array<std::uint64_t, 20> limits = {
    0,       1,          2,          7,          0x7f,        0x80,       0xff,       0x7fff,     0x8000,    0xffff,
    0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ull << 62, ~0ull >> 1, 1ull << 63, ~0ull - 7, ~0ull};

void overwrite_number(Random& random, std::string& bytes) {
  const std::size_t width = std::size_t{1} << random.below(4);  // 1, 2, 4, 8
  if (bytes.size() < width) return;
  const bool start = random.below(4) == 0;  // where lengths and versions are
  const std::size_t at = start ? random.below(std::min<std::size_t>(16, bytes.size() - width + 1))
                               : random.below(bytes.size() - width + 1);
  const std::uint64_t number = limits[random.below(limits.size())];
  const bool little = random.below(2) == 0;
  for (std::size_t i = 0; i < width; ++i) {
    bytes[at + i] = static_cast<char>(number >> (8 * (little ? i : width - 1 - i)));
  }
}

/// Replaces one number written in digits.
void edit_digits(Random& random, std::string& bytes) {
  constexpr auto digits = "0123456789";
  std::size_t begin = bytes.find_first_of(digits, random.below(bytes.size()));
  if (begin == std::string::npos) return;
  const std::size_t end = std::min(bytes.find_first_not_of(digits, begin), bytes.size());
  std::string number = std::to_string(limits[random.below(limits.size())]);
  if (random.below(8) == 0) number = "-" + number;
  if (random.below(8) == 0) number += "0";
  bytes.replace(begin, end - begin, number);
}

/// Copies, moves or removes a part.
void move_part(Random& random, std::string& bytes) {
  const std::size_t begin = random.below(bytes.size()), length = random.below(64) + 1;
  const std::string part = bytes.substr(begin, length);
  if (random.below(2) == 0) bytes.erase(begin, length);
  if (random.below(2) == 0) bytes.insert(random.below(bytes.size() + 1), part);
}

void mutate_bytes(Random& random, std::string& bytes) {
  for (std::size_t times = random.below(4) + 1; times > 0 && !bytes.empty(); --times) {
    switch (random.below(8)) {
      case 0:
        bytes.resize(random.below(bytes.size()));
        break;
      case 1:
        for (std::size_t n = random.below(16) + 1; n > 0; --n)
          bytes.insert(random.below(bytes.size()), 1, random.byte());
        break;
      case 2:
        bytes[random.below(bytes.size())] = random.byte();
        break;
      case 3:
        edit_digits(random, bytes);
        break;
      case 4:
        move_part(random, bytes);
        break;
      case 5:
      case 6:
        overwrite_number(random, bytes);
        break;
      default:
        for (std::size_t n = random.below(8) + 1; n > 0; --n) {
          char& byte = bytes[random.below(bytes.size())];
          byte = static_cast<char>(byte ^ (1 << random.below(8)));
        }
    }
  }
}

/// Keeps a safetensors file's length field right, so that the changes reach the header's rules.
void mutate_safetensors(Random& random, std::string& bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::string header = bytes.substr(8, length), data = bytes.substr(8 + length);
  mutate_bytes(random, random.below(8) == 0 ? data : header);
  length = header.size();
  bytes.replace(0, std::string::npos, reinterpret_cast<const char*>(&length), 8);
  bytes += header + data;
}

/// The same for .npy files of version 1.
void mutate_npy(Random& random, std::string& bytes) {
  const std::size_t length = static_cast<std::uint8_t>(bytes[8]) + 256u * static_cast<std::uint8_t>(bytes[9]);
  std::string header = bytes.substr(10, length);
  mutate_bytes(random, header);
  const std::string data = bytes.substr(10 + length);
  bytes.resize(8);
  bytes += static_cast<char>(header.size());
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header + data;
}

/// Changes chunks and their order, and writes right checksums, so that the changes reach the chunks' readers.
void mutate_png(Random& random, std::string& bytes) {
  std::vector<std::pair<std::string, std::string>> chunks;  // type, data
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    chunks.emplace_back(bytes.substr(at + 4, 4), bytes.substr(at + 8, length));
    at += 12 + length;
  }
  for (std::size_t times = random.below(3) + 1; times > 0; --times) {
    const std::size_t i = random.below(chunks.size()), j = random.below(chunks.size());
    switch (random.below(6)) {
      case 0:
        std::swap(chunks[i], chunks[j]);
        break;
      case 1:
        chunks.insert(chunks.begin() + static_cast<std::ptrdiff_t>(i), chunks[j]);
        break;
      case 2:
        mutate_bytes(random, chunks[i].first);
        chunks[i].first.resize(4, 'x');
        break;
      default:
        mutate_bytes(random, chunks[i].second);
    }
  }
  bytes.resize(8);
  for (const auto& [type, data] : chunks) bytes += chunk(type, data);
}

/// Memory that no small file may take, whatever it says of its sizes; that of the test itself counts.
constexpr long most_kilobytes = 1 << 20;

/// Half of the files are changed anywhere, half by `mutate_format`, which knows the format. `load` reads the file
/// called `name` in a folder that `prepare` may have put others into.
void run(
    const Seeds& seeds, const std::function<void(Random&, std::string&)>& mutate_format,
    const std::function<void(const std::filesystem::path&)>& load, const char* name = "mutant",
    const std::function<void(const std::filesystem::path&)>& prepare = [](const std::filesystem::path&) {}) {
  const char* count_text = std::getenv("TESSERA_FUZZ_FILES");
  const int count = count_text != nullptr ? std::atoi(count_text) : 1000;
  const TemporaryFolder folder;
  const auto path = folder / name;
  prepare(folder.path());
  for (const std::string& seed : seeds) {
    write_bytes(path, seed);
    REQUIRE_NOTHROW(load(path));
  }
  Random random(20240229);
  int loaded = 0, refused = 0;
  for (int number = 0; number < count; ++number) {
    CAPTURE(number);
    std::string bytes = seeds[random.below(seeds.size())];
    if (random.below(2) == 0)
      mutate_format(random, bytes);
    else
      mutate_bytes(random, bytes);
    write_bytes(path, bytes);
    try {
      load(path);
      ++loaded;
    } catch (const tessera::Error& error) {
      ++refused;
      const std::string_view line = error.what();
      REQUIRE(line.starts_with(folder.path().string()));
      REQUIRE(line.find_first_of("\n\r") == std::string_view::npos);
      REQUIRE(line.size() < 1300);
    }
  }
  ::rusage used{};
  REQUIRE(::getrusage(RUSAGE_SELF, &used) == 0);
  CHECK(used.ru_maxrss < most_kilobytes);
  // Else the mutations reach nothing, or break everything at the door.
  CHECK(loaded > count / 100);
  CHECK(refused > count / 4);
}

Seeds safetensors_seeds() {
  const TemporaryFolder folder;
  const auto path = folder / "seed";
  std::vector<float> weights(24);
  std::iota(weights.begin(), weights.end(), -3.5f);
  const std::vector<std::int64_t> step = {1234};
  std::vector<tessera::TensorToWrite> tensors = {tessera::tensor_to_write<float>("encoder.weight", {4, 6}, weights),
                                                 tessera::tensor_to_write<float>("encoder.bias", {24}, weights),
                                                 tessera::tensor_to_write<std::int64_t>("step", {1}, step)};
  Seeds seeds;
  tessera::write_safetensors(path, tensors, {{"format", "pt"}, {"config", "{\"image\": [32, 32]}"}});
  seeds.push_back(read_bytes(path));
  tensors[0].stored = tessera::DType::f16;
  tessera::write_safetensors(path, {tensors.data(), 1});
  seeds.push_back(read_bytes(path));
  tessera::write_safetensors(path, {}, {});
  seeds.push_back(read_bytes(path));
  return seeds;
}

Seeds npy_seeds() {
  const TemporaryFolder folder;
  const auto path = folder / "seed";
  Seeds seeds;
  const auto add = [&]<class T>(const std::vector<Index>& shape, const std::vector<T>& values) {
    tessera::write_npy<T>(path, shape, values);
    seeds.push_back(read_bytes(path));
  };
  add({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  add({1, 2, 2, 1}, std::vector<std::uint8_t>{1, 2, 3, 4});
  add({4}, std::vector<std::int64_t>{1, 2, 3, 4});
  add({}, std::vector<double>{0.5});
  return seeds;
}

Seeds token_npy_seeds() {
  const TemporaryFolder folder;
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> wide{9, 8, 7};
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<std::uint16_t> words{1, 2, 3};
  const Index two[] = {2, 3}, one[] = {1, 3}, flat[] = {3};
  tessera::write_npy<std::int32_t>(folder / "a", two, ids);
  tessera::write_npy<std::int64_t>(folder / "b", one, wide);
  tessera::write_npy<std::uint8_t>(folder / "c", flat, bytes);
  tessera::write_npy<std::uint16_t>(folder / "d", one, words);
  return {read_bytes(folder / "a"), read_bytes(folder / "b"), read_bytes(folder / "c"), read_bytes(folder / "d")};
}

Pixels noise(Index height, Index width, Index channels) {
  Random random(7);
  Pixels pixels(height, width, channels);
  for (std::uint8_t& value : pixels.values) value = static_cast<std::uint8_t>(random.byte());
  return pixels;
}

Seeds jpeg_seeds() {
  const std::string exif = std::string("Exif\0\0", 6) + tiff(true, 0x112, 3, 1, 6);
  const auto progressive = [](jpeg_compress_struct& codec) { jpeg_simple_progression(&codec); };
  const auto arithmetic = [](jpeg_compress_struct& codec) { codec.arith_code = TRUE; };
  const auto restarts = [](jpeg_compress_struct& codec) { codec.restart_interval = 1; };
  const auto low_quality = [](jpeg_compress_struct& codec) { jpeg_set_quality(&codec, 10, TRUE); };
  return {make_jpeg(noise(17, 19, 3), JCS_RGB, exif),
          make_jpeg(noise(16, 24, 3), JCS_RGB, exif, progressive),
          make_jpeg(noise(24, 16, 3), JCS_RGB, {}, arithmetic),
          make_jpeg(noise(40, 40, 3), JCS_RGB, {}, restarts),
          make_jpeg(noise(32, 32, 3), JCS_RGB, {}, low_quality),
          make_jpeg(noise(9, 9, 1), JCS_GRAYSCALE),
          make_jpeg(noise(8, 12, 4), JCS_CMYK, {}, [](jpeg_compress_struct& c) { jpeg_set_colorspace(&c, JCS_YCCK); })};
}

/// `bytes_per_row` bytes behind the filter type of each row, which runs through all five.
std::string png_rows(int height, int bytes_per_row) {
  Random random(9);
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += static_cast<char>(y % 5);
    for (int i = 0; i < bytes_per_row; ++i) rows += random.byte();
  }
  return rows;
}

Seeds png_seeds() {
  const std::string palette =
      chunk("PLTE", "\x01\x02\x03\xf0\xe0\xd0\x10\x20\x30\x40\x50\x60") + chunk("tRNS", std::string("\xff\x00\x80", 3));
  const std::string extras = chunk("gAMA", std::string("\x00\x01\x86\xa0", 4)) +
                             chunk("tEXt", std::string("Title\0a picture", 15)) +
                             chunk("eXIf", tiff(false, 0x112, 3, 1, 8)) + chunk("bKGD", std::string("\0\1\0\2\0\3", 6));
  return {
      make_png(7, 6, 8, 2, png_rows(6, 21), extras), make_png(8, 4, 2, 3, png_rows(4, 2), palette),
      make_png(5, 5, 16, 6, png_rows(5, 40)),        make_png(9, 5, 1, 0, png_rows(5, 2)),
      make_png(4, 4, 8, 4, png_rows(4, 8)),          make_png(3, 1, 8, 0, std::string({0, 10, 0, 30, 0, 20}), {}, 1)};
}

void load_image(const std::filesystem::path& path) {
  const Pixels pixels = tessera::read_image(path);
  REQUIRE(pixels.height > 0);
  REQUIRE(pixels.values.size() == static_cast<std::size_t>(pixels.height * pixels.width * 3));
}

}  // namespace

TEST_CASE("mutated safetensors files") {
  run(safetensors_seeds(), mutate_safetensors, [](const std::filesystem::path& path) {
    const tessera::SafetensorsFile file(path);
    for (const tessera::TensorInfo& tensor : file.tensors()) {
      std::vector<std::byte> bytes(file.bytes(tensor).begin(), file.bytes(tensor).end());
      if (tensor.dtype != tessera::DType::f32 && tensor.dtype != tessera::DType::f16) continue;
      std::vector<float> values(bytes.size() / static_cast<std::size_t>(tessera::byte_size(tensor.dtype)));
      file.read_float32(tensor, values);
    }
  });
}

TEST_CASE("mutated npy files") {
  run(npy_seeds(), mutate_npy, [](const std::filesystem::path& path) {
    const tessera::NpyFile file(path);
    std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
    if (file.dtype() != tessera::DType::f32) return;
    const auto values = file.values<float>();
    REQUIRE(values.size_bytes() == bytes.size());
  });
}

TEST_CASE("mutated token files") {
  const auto read = [](const std::filesystem::path& path) {
    const tessera::TokenTable table = tessera::read_tokens(path, 3, 10);
    REQUIRE(table.tokens.size() == static_cast<std::size_t>(3 * table.images()));
    for (const tessera::Token id : table.tokens) REQUIRE((id >= 0 && id < 10));
  };
  run({"0 7 9\n1 2 3\n", "1,2,3\r\n\r\n4 5 6",
       "\xef\xbb\xbf"
       "1 2 3"},
      mutate_bytes, read, "tokens.txt");
  run({"{\"file\":\"a.png\",\"tokens\":[0,7,9]}\n{\"file\":\"b.png\",\"tokens\":[1,2,3]}\n", "{\"tokens\": [1, 2, 3]}"},
      mutate_bytes, read, "tokens.jsonl");
  run(token_npy_seeds(), mutate_npy, read, "tokens.npy");
}

TEST_CASE("mutated config.json files") {
  const auto save = [](const std::filesystem::path& folder) {
    const std::vector<float> weights(4);
    const auto tensor = tessera::tensor_to_write<float>("encoder.ln_pre.weight", {4}, weights);
    tessera::write_safetensors(folder / "model.safetensors", {&tensor, 1});
  };
  const auto read = [](const std::filesystem::path& path) {
    const tessera::WeightFile file(path.parent_path());
    for (const tessera::Config& config : {tessera::presets::titok_b64, tessera::presets::tatitok_bl64_vae}) {
      for (const std::string& line : differences(stated_config(file), config)) REQUIRE(line.size() < 10000);
    }
  };
  run({tessera::to_json_text(tessera::presets::tiny_titok_legacy),
       R"({"model": {"vq_model": {"codebook_size": 4096, "token_size": 12, "use_l2_norm": true,
           "vit_enc_model_size": "base", "vit_dec_model_size": "base", "vit_enc_patch_size": 16, "num_latent_tokens": 64,
           "quantize_mode": "vq", "is_legacy": false}}, "dataset": {"preprocessing": {"crop_size": 256}}})"},
      mutate_bytes, read, "config.json", save);
}

TEST_CASE("mutated shard indexes") {
  const auto save = [](const std::filesystem::path& folder) {
    const std::vector<float> weights(4);
    for (const char* name : {"a", "b"}) {
      const auto tensor = tessera::tensor_to_write<float>(name, {4}, weights);
      tessera::write_safetensors(folder / (std::string(name) + ".safetensors"), {&tensor, 1});
    }
  };
  run(
      {R"({"metadata": {"total_size": 32}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors"}})"}, mutate_bytes,
      [](const std::filesystem::path& path) {
        const tessera::WeightFile file(path);
        REQUIRE(!file.tensors().empty());
      },
      "model.safetensors.index.json", save);
}

TEST_CASE_TEMPLATE("mutated model files", T, tessera::Tokenizer<tessera::presets::one_token>,
                   tessera::Tokenizer<tessera::presets::tiny_titok_vq>) {
  static constexpr tessera::Config config = T::configuration;
  using Table = tessera::ParameterTable<config>;
  const TemporaryFolder folder;
  T::random(1).save(folder / "seed");
  std::vector<float> buffer(static_cast<std::size_t>(Table::size));
  run({read_bytes(folder / "seed")}, mutate_safetensors,
      [&](const std::filesystem::path& path) { load_parameters(path, config, Table::parameters(), buffer); });
}

TEST_CASE("mutated self-checks") {
  static constexpr tessera::Config config = tessera::presets::one_token;
  run({to_json_text(tessera::Tokenizer<config>::random(1).self_check())}, mutate_bytes,
      [](const std::filesystem::path& path) {
        const tessera::SelfCheck check = tessera::self_check_from_json_text(read_bytes(path), path.string(), config);
        REQUIRE(check.image.values.size() == 24 * 24 * 3);
        REQUIRE(check.ids.size() == 1);
        REQUIRE((check.ids[0] >= 0 && check.ids[0] < 3));
      });
}

TEST_CASE("mutated checkpoints") {
  const tessera::TrainOptions options{.batch_size = 1, .ema_decay = 0.5};
  tessera::Trainer<tessera::presets::one_token> trainer(options);
  const TemporaryFolder folder;
  trainer.save_checkpoint(folder / "seed");
  run({read_bytes(folder / "seed")}, mutate_safetensors,
      [&](const std::filesystem::path& path) { trainer.resume(path); });
}

TEST_CASE("mutated JPEG files") {
  run(jpeg_seeds(), mutate_bytes, load_image);
}

TEST_CASE("mutated PNG files") {
  run(png_seeds(), mutate_png, load_image);
}
