// The published checkpoints' sizes with random weights: encode and decode of one image, as a share of the machine's
// peak of fused multiply-adds, the time to load a file that lies in the page cache, and memory; then a table of them
// all.
//   published [threads [part of a preset's name]]      (needs 8 GB of memory, and 3 GB in the temporary folder)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <files.hpp>
#include <fstream>
#include <string>
#include <tessera/any_tokenizer.hpp>
#include <tessera/core/random.hpp>
#include <tessera/flops.hpp>
#include <tessera/nn/initialize.hpp>
#include <vector>

#include "fma_peak.hpp"
#include "presets.hpp"

namespace {

using namespace tessera;

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

/// The most memory that this process held at once since start_peak_memory(), beyond what it held then.
double start_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("VmRSS");
}
double peak_memory(double start) {
  return status_bytes("VmHWM") - start;
}

std::vector<float> random_values(Index count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  Random random(1);
  for (float& x : values) x = static_cast<float>(random.uniform());
  return values;
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
  return benchmarks::median(times);
}

struct Measured {
  double seconds, share_of_peak;
};

template <class F>
Measured time(const std::string& name, int threads, double flops, F&& f) {
  const benchmarks::Speed speed = benchmarks::measure(threads, flops, f, 7);
  const double seconds = flops / speed.flops_per_second;
  std::printf("%-28s %d  %7.2f images/s  %7.1f GFLOP/s  %5.1f %%\n", name.c_str(), threads, 1.0 / seconds,
              speed.flops_per_second * 1e-9, speed.share_of_peak * 100.0);
  std::fflush(stdout);
  return {seconds, speed.share_of_peak};
}

/// Prints encode's and decode's lines -> the preset's line of the table.
std::string run(const Preset& preset, int threads, const std::filesystem::path& path) {
  const Config& c = preset.config;
  const std::string name(preset.name);
  const std::vector<float> image = random_values(c.image_values()), text = random_values(c.text_values());
  std::vector<float> again(image.size()), latents(static_cast<std::size_t>(c.tokens() * c.code_dim));
  std::vector<Token> ids(static_cast<std::size_t>(c.tokens()));

  write_random_model(preset, path);
  set_thread_count(threads);
  const double load = load_time(preset, path);
  const double memory = start_peak_memory();
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(path);
  tokenizer->encode_either(image, ids, latents);
  const double encode_memory = peak_memory(memory);
  const Measured encode =
      time(name + " encode", threads, encode_flops(c), [&] { tokenizer->encode_either(image, ids, latents); });
  const Measured decode = time(name + " decode", threads, decode_flops(c), [&] {
    if (c.has_codes())
      tokenizer->decode(View<const Token>(ids), again, text);
    else
      tokenizer->decode(View<const float>(latents), again, text);
  });
  const double weights = 4.0 * static_cast<double>(preset.parameters);

  char line[256];
  std::snprintf(line, sizeof line,
                "| %s | %td | %td | %.0f M | %.2f s | %.0f ms (%.0f %%) | %.0f ms (%.0f %%) | "
                "%.0f MB | +%.0f MB | +%.0f MB |",
                name.c_str(), c.tokens(), c.bits_per_image(), static_cast<double>(preset.parameters) * 1e-6, load,
                encode.seconds * 1e3, encode.share_of_peak * 100.0, decode.seconds * 1e3, decode.share_of_peak * 100.0,
                weights * 1e-6, (encode_memory - weights) * 1e-6, (peak_memory(memory) - weights) * 1e-6);
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  std::printf("%s; share of the fused multiply-add peak measured beside each line; best time, median share\n",
              std::string(benchmarks::instruction_set()).c_str());
  const tessera_test::TemporaryFolder folder;
  std::string table =
      "| checkpoint | tokens | bits | parameters | load | encode | decode | weights | to encode | to decode |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Preset& preset : program::all_presets()) {
    const bool published = preset.name.starts_with("titok_") || preset.name.starts_with("tatitok_");
    if (!published || preset.name.find(filter) == std::string_view::npos) continue;
    table += run(preset, threads, folder / "model.safetensors") + "\n";
  }
  std::printf("\n%s", table.c_str());
}
