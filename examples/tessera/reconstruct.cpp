// tessera reconstruct: original | reconstruction side by side, and how near they are.
#include <cstdio>

#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>
#include <tessera/metrics/psnr.hpp>
#include <tessera/metrics/ssim.hpp>

#include "inputs.hpp"
#include "outputs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace program {

using namespace tessera;

namespace {

struct ReconstructArguments {
  ModelArguments model;
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path text, output;
  Filter filter = Filter::bicubic;
};

std::filesystem::path picture_file(const Inputs& inputs, Index i, const std::filesystem::path& folder) {
  return folder / (inputs.stem(i) + ".png");
}

/// No input may be written over.
void check_outputs(const Inputs& inputs, const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (Index i = 0; i < inputs.count(); ++i) files.emplace_back(inputs.name(i));
  const InputFiles input_files(files);
  for (Index i = 0; i < inputs.count(); ++i) input_files.check_output(picture_file(inputs, i, folder));
}

void reconstruct(const ReconstructArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& config = preset.config;
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(a.model.path);
  const Inputs inputs(a.inputs, config, a.filter);
  const Texts texts(a.text, config, inputs.count());
  make_folder(a.output);
  check_outputs(inputs, a.output);
  std::vector<float> image(static_cast<std::size_t>(config.image_values())), again(image.size());
  double psnr_sum = 0, ssim_sum = 0;
  std::printf("%8s %8s  picture\n", "PSNR", "SSIM");
  for (Index i = 0; i < inputs.count(); ++i) {
    inputs.read(i, 1, image);
    tokenizer->reconstruct(image, again, texts.of(i, 1));
    require_finite(a.model.path.string() + ", reconstructing", again, i, 1);
    const Pixels original = to_pixels(config, image), reconstruction = to_pixels(config, again);
    const std::filesystem::path file = picture_file(inputs, i, a.output);
    write_png(file, side_by_side(original, reconstruction));
    const double decibels =
        psnr(View<const std::uint8_t>(original.values), View<const std::uint8_t>(reconstruction.values), 255.0);
    const double similarity = ssim(original, reconstruction);
    std::printf("%8.2f %8.4f  %s\n", decibels, similarity, file.c_str());
    psnr_sum += decibels;
    ssim_sum += similarity;
  }
  const double count = static_cast<double>(inputs.count());
  std::printf("%8.2f %8.4f  mean\n", psnr_sum / count, ssim_sum / count);
}

}  // namespace

void add_reconstruct(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("reconstruct", "encode and decode: side by side pictures, PSNR and SSIM");
  const auto a = std::make_shared<ReconstructArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->filter);
  add_text(c, a->text);
  c.add_option("-o,--output", a->output, "a folder for the PNGs")->required();
  c.callback([a, &run] { run = [a] { reconstruct(*a); }; });
}

}  // namespace program
