// What stands around the model: reading a photograph, resizing it, loading a model. Google Benchmark's options apply:
//   files --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <tessera/data/resize.hpp>
#include <tessera/io/image.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

namespace {

using namespace tessera;

const std::filesystem::path examples = TESSERA_EXAMPLES;

void read_jpeg(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(read_image(examples / "photos/coffee.jpg"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(read_jpeg)->Unit(benchmark::kMillisecond);

void resize_and_crop_to_128(benchmark::State& state) {
  set_thread_count(1);
  const Pixels photograph = read_image(examples / "photos/coffee.jpg");
  for (auto _ : state) benchmark::DoNotOptimize(resize_and_crop(photograph, 128, 128, Filter::bicubic));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resize_and_crop_to_128)->Unit(benchmark::kMillisecond);

void load_demo_model(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Tokenizer<presets::demo_128>::load(examples / "models/demo.safetensors"));
  }
}
BENCHMARK(load_demo_model)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
