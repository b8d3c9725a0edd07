// tessera reconstruct: original | reconstruction side by side, and how near they are.
#include <cstdio>
#include <functional>
#include <utility>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/image.hpp>
#include <tessera/metrics/psnr.hpp>
#include <tessera/metrics/ssim.hpp>

#include "hash.hpp"
#include "inputs.hpp"
#include "long_work.hpp"
#include "outputs.hpp"
#include "picture_folder.hpp"
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
  PhotographReading reading;
  bool skip_broken = false;
};

/// Images through the model, some at a time, and the pictures of them.
class Reconstructor {
 public:
  Reconstructor(const ReconstructArguments& arguments, AnyTokenizer& tokenizer, const Inputs& inputs,
                const Texts& texts)
      : arguments_(arguments), tokenizer_(tokenizer), config_(tokenizer.config()), inputs_(inputs), texts_(texts) {}

  /// Those of `items` that can be read; the others are reported to `work`. name: of an image's picture.
  std::vector<Index> operator()(View<const Index> items, LongWork& work, std::vector<Picture>& pictures,
                                const std::function<std::string(Index)>& name) {
    const Index text_values = config_.has_text() ? config_.text_values() : 0;
    const auto values = static_cast<std::size_t>(config_.image_values() + text_values);
    both_.resize(items.size() * values);  // an image and its text are read together: either may be broken
    const std::vector<Index> good = work.good_ones(items, both_, [&](Index item, View<float> out) {
      inputs_.read(item, slice(out, 0, config_.image_values()));
      std::ranges::copy(texts_.of(item, 1), slice(out, config_.image_values(), text_values).begin());
    });
    images_.clear();
    text_.clear();
    for (std::size_t i = 0; i < good.size(); ++i) {
      const View<const float> one = View<const float>(both_).subspan(i * values, values);
      images_.insert(images_.end(), one.begin(), one.begin() + config_.image_values());
      text_.insert(text_.end(), one.begin() + config_.image_values(), one.end());
    }
    again_.resize(images_.size());
    if (!good.empty()) reconstruct(good);
    pictures.assign(good.size(), {});
    parallel_for_or_throw(static_cast<Index>(good.size()), [&](Index i) {
      pictures[static_cast<std::size_t>(i)] = picture(i, name(good[static_cast<std::size_t>(i)]));
    });
    return good;
  }

 private:
  /// Throws Error(bad_file) where the model's numbers are not finite.
  void reconstruct(View<const Index> items) {
    const std::string model = arguments_.model.path.string();
    const auto tokens = items.size() * static_cast<std::size_t>(config_.tokens());
    if (config_.has_codes()) {
      ids_.resize(tokens);
      numbers_.resize(tokens);
      tokenizer_.encode(images_, ids_, numbers_);
      require_finite(model + ", distances of codes", numbers_, items);
      tokenizer_.decode(View<const Token>(ids_), again_, text_);
    } else {
      numbers_.resize(tokens * static_cast<std::size_t>(config_.code_dim));
      tokenizer_.encode(images_, View<float>(numbers_));
      require_finite(model + ", encoding", numbers_, items);
      tokenizer_.decode(View<const float>(numbers_), again_, text_);
    }
    require_finite(model + ", reconstructing", again_, items);
  }

  /// Of image i of this part.
  [[nodiscard]] Picture picture(Index i, const std::string& name) const {
    const Index values = config_.image_values();
    const Pixels original = to_pixels(config_, slice(View<const float>(images_), i * values, values));
    const Pixels again = to_pixels(config_, slice(View<const float>(again_), i * values, values));
    return {.png = encode_png(name, side_by_side(original, again)),
            .scores = {psnr(View<const std::uint8_t>(original.values), View<const std::uint8_t>(again.values), 255.0),
                       ssim(original, again)}};
  }

  const ReconstructArguments& arguments_;
  AnyTokenizer& tokenizer_;
  const Config& config_;
  const Inputs& inputs_;
  const Texts& texts_;
  std::vector<float> both_, images_, text_, again_, numbers_;
  std::vector<Token> ids_;
};

void print_head() {
  std::printf("%8s %8s  picture\n", "PSNR", "SSIM");
}

void print_scores(const Scores& scores, const std::string& name) {
  std::printf("%8.2f %8.4f  %s\n", scores[0], scores[1], name.c_str());
  std::fflush(stdout);
}

void reconstruct_one(const std::filesystem::path& output, Reconstructor& reconstructor) {
  LongWork work(output.string(), 1, false);
  std::vector<Picture> pictures;
  const Index only = 0;
  (void)reconstructor(View<const Index>(&only, 1), work, pictures, [&](Index) { return output.string(); });
  AtomicFile file(output);
  file.write(pictures.front().png);
  file.commit();
  print_head();
  print_scores(pictures.front().scores, output.string());
}

/// Prints the scores of pictures in the order of the images, as far as they are made.
class ScoreList {
 public:
  ScoreList(const PictureFolder& folder, const LongWork& work) : folder_(folder), work_(work) {}

  /// Those of images before `end`.
  void print_before(Index end) {
    for (; next_ < end; ++next_) {
      if (work_.is_broken(next_)) continue;
      if (!std::exchange(headed_, true)) print_head();
      const Scores scores = folder_.scores(next_);
      print_scores(scores, folder_.path(next_).string());
      for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] += scores[k];
    }
  }

  void print_mean() {
    const auto count = static_cast<double>(work_.good());
    print_scores({sum_[0] / count, sum_[1] / count}, "mean");
  }

 private:
  const PictureFolder& folder_;
  const LongWork& work_;
  Index next_ = 0;
  bool headed_ = false;
  Scores sum_{};
};

/// Names of the pictures. Throws UsageError where one would be written over an input.
std::vector<std::string> picture_names(const Inputs& inputs, const std::filesystem::path& folder) {
  std::vector<std::string> names = inputs.stems();
  std::vector<std::filesystem::path> existing;
  std::error_code error;
  for (std::string& name : names) {
    name += ".png";
    if (std::filesystem::exists(folder / name, error)) existing.push_back(folder / name);
  }
  if (existing.empty()) return names;
  std::vector<std::filesystem::path> files;
  for (Index i = 0; i < inputs.count(); ++i) files.emplace_back(inputs.name(i));
  const InputFiles input_files(files);
  for (const auto& picture : existing) input_files.check_output(picture);
  return names;
}

void reconstruct_to_folder(const ReconstructArguments& a, const Preset& preset, Reconstructor& reconstructor,
                           const Inputs& inputs, const Texts& texts) {
  const std::string job =
      job_text("reconstruct", a.model, preset, "\"filter\": " + std::to_string(static_cast<int>(a.reading.filter)));
  std::vector<std::uint64_t> keys;
  for (Index i = 0; i < inputs.count(); ++i) {
    keys.push_back(Hash().add(job).add(inputs.identity(i)).add(texts.hash(i)).value());
  }
  PictureFolder folder(a.output, picture_names(inputs, a.output), std::move(keys));
  LongWork work(a.output.string(), inputs.count(), a.skip_broken);
  ScoreList list(folder, work);
  std::vector<Picture> pictures;
  const auto name = [&](Index i) { return folder.path(i).string(); };
  const std::string kept = ", which are kept: the same command goes on from there";
  work.run(folder.missing(), preset.config, kept, [&](View<const Index> items, bool) {
    list.print_before(items.front());
    const std::vector<Index> good = reconstructor(items, work, pictures, name);
    folder.write(good, pictures);
    list.print_before(items.back() + 1);
  });
  list.print_before(inputs.count());
  if (work.good() > 0) list.print_mean();
  work.finish("all of them; the other " + std::to_string(work.good()) +
              " are kept: mend or remove it, or add --skip-broken, and run the same command again");
}

void reconstruct(const ReconstructArguments& a) {
  const Preset& preset = a.model.find_preset();
  const bool one = is_picture_file(a.output);
  if (one) InputFiles(a.inputs).check_output(a.output);
  const std::unique_ptr<AnyTokenizer> tokenizer = a.model.load(preset);
  const Inputs inputs(a.inputs, preset.config, a.reading);
  if (one) check_one_picture(a.output, inputs.count());
  const Texts texts(a.text, preset.config, inputs.count());
  Reconstructor reconstructor(a, *tokenizer, inputs, texts);
  if (one)
    reconstruct_one(a.output, reconstructor);
  else
    reconstruct_to_folder(a, preset, reconstructor, inputs, texts);
}

}  // namespace

void add_reconstruct(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("reconstruct", "encode and decode: side by side pictures, PSNR and SSIM");
  const auto a = std::make_shared<ReconstructArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->reading);
  add_text(c, a->text);
  c.add_option("-o,--output", a->output,
               "a .png for one image, or a folder for PNGs: new, empty, or of an earlier command. What an earlier call "
               "has made is not made again")
      ->required();
  add_skip_broken(c, a->skip_broken);
  c.callback([a, &run] { run = [a] { reconstruct(*a); }; });
}

}  // namespace program
