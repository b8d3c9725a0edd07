// The published checkpoints' sizes with random weights: encode and decode of one image, as a share of the machine's
// peak of fused multiply-adds; then a table of them all, with the time to load a file that lies in the page cache, and
// the memory (Linux) that the weights take, that loading and encoding need beside them, and then decoding.
//   published [threads [part of a preset's name]]      (needs 8 GB of memory, and 3 GB in the temporary folder)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <files.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <tessera/any_tokenizer.hpp>
#include <tessera/flops.hpp>
#include <tessera/nn/initialize.hpp>
#include <vector>

#include "passes.hpp"
#include "presets.hpp"

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

/// Bytes of a line of /proc/self/status, or 0 where there is no such file.
double status_bytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  std::string word;
  double kilobytes = 0.0;
  while (file >> word) {
    if (word == name + ":") file >> kilobytes;
  }
  return kilobytes * 1024.0;
}

/// Forgets the most memory that the process ever held. Returns what it holds now.
double restart_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("VmRSS");
}

/// The most that it held since then, beyond `held`.
double peak_memory(double held) {
  return status_bytes("VmHWM") - held;
}

void write_random_model(const Preset& preset, const std::filesystem::path& path) {
  AlignedBuffer<float> weights(preset.buffer_size);
  initialize(preset.tensors(), weights.view(), 1);
  save_parameters(path, preset.config, preset.tensors(), std::as_const(weights).view());
}

/// Seconds of the median of three loads.
double load_time(const Preset& preset, const std::filesystem::path& path) {
  std::vector<double> times;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const auto loaded = preset.load(path);
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return median(times);
}

/// Prints encode's and decode's lines -> the preset's line of the table.
std::string run(const Preset& preset, int threads, const std::filesystem::path& path) {
  const Config& c = preset.config;
  const std::string name(preset.name);
  const std::vector<float> image = random_images(c.image_values()), text = random_images(c.text_values());
  std::vector<float> again(image.size()),
      latents(static_cast<std::size_t>(c.has_codes() ? 0 : c.tokens() * c.code_dim));
  std::vector<Token> ids(static_cast<std::size_t>(c.has_codes() ? c.tokens() : 0));

  write_random_model(preset, path);
  set_thread_count(threads);
  const double load = load_time(preset, path);
  const double before = restart_peak_memory();
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(path);
  const auto encode = [&] { tokenizer->encode_either(image, ids, latents); };
  const auto decode = [&] {
    if (c.has_codes())
      tokenizer->decode(View<const Token>(ids), again, text);
    else
      tokenizer->decode(View<const float>(latents), again, text);
  };
  encode();
  const double weights = static_cast<double>(preset.weight_bytes()), load_and_encode = peak_memory(before) - weights;
  restart_peak_memory();
  decode();
  const double held = peak_memory(before) - weights;
  check_finite(name, latents);
  check_finite(name, again);

  const Speed encoding = time_pass(name + " encode", threads, 1, encode_flops(c), encode, 7);
  const Speed decoding = time_pass(name + " decode", threads, 1, decode_flops(c), decode, 7);
  char line[256];
  std::snprintf(
      line, sizeof line,
      "| %s | %td | %td | %.0f M | %.2f s | %.0f ms (%.0f %%) | %.0f ms (%.0f %%) | %.0f MB | %.0f MB | %.0f MB |",
      name.c_str(), c.tokens(), c.bits_per_image(), static_cast<double>(preset.parameters) * 1e-6, load,
      encode_flops(c) / encoding.flops_per_second * 1e3, encoding.share_of_peak * 100.0,
      decode_flops(c) / decoding.flops_per_second * 1e3, decoding.share_of_peak * 100.0, weights * 1e-6,
      load_and_encode * 1e-6, held * 1e-6);
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  print_pass_header();
  const tessera_test::TemporaryFolder folder;
  std::string table =
      "| checkpoint | tokens | bits | parameters | load | encode | decode | weights | + encode | + decode |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  int count = 0;
  for (const Preset& preset : program::all_presets()) {
    const bool published = preset.name.starts_with("titok_") || preset.name.starts_with("tatitok_");
    if (!published || preset.name.find(filter) == std::string_view::npos) continue;
    ++count;
    table += run(preset, threads, folder / "model.safetensors") + "\n";
  }
  if (count == 0) {
    std::printf("no such preset: build with TESSERA_PRESETS=all, which has every published one\n");
    return 1;
  }
  std::printf("\n%s", table.c_str());
}
