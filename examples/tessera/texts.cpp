#include "texts.hpp"

#include <algorithm>
#include <numeric>

#include <tessera/core/layout.hpp>

#include "hash.hpp"
#include "mapped_files.hpp"

namespace program {

using namespace tessera;

Texts::Texts(const std::filesystem::path& path, const Config& config, Index images) : values_(config.text_values()) {
  const std::vector<Index> text{config.text.length, config.text.width};
  const std::string each = to_string(text), all = "[" + std::to_string(images) + ", " + each.substr(1);
  if (config.has_text() && path.empty()) {
    throw UsageError("--text: found nothing, expected a .npy file of float32 " + all + " or " + each +
                     ": this model's decoder sees a text");
  }
  if (path.empty()) return;
  if (!config.has_text()) {
    throw UsageError("--text: found '" + path.string() + "', expected nothing: this model's decoder sees no text");
  }
  file_.emplace(path);
  std::vector<Index> shape = file_->shape();
  one_for_all_ = shape == text;
  if (one_for_all_) shape.insert(shape.begin(), images);
  if (shape != std::vector<Index>{images, text[0], text[1]}) {
    throw Error(ErrorCode::mismatch, path.string(), "shape " + to_string(file_->shape()),
                all + " (images, embeddings, width) or " + each);
  }
  (void)file_->values<float>();  // of another type: refused here, and not at the first use
}

View<const float> Texts::text(Index item) const {
  return slice(file_->values<float>(), (one_for_all_ ? 0 : item) * values_, values_);
}

std::uint64_t Texts::hash(Index item) const {
  return file_ ? Hash().add(std::as_bytes(text(item))).value() : 0;
}

std::vector<float> Texts::of(View<const Index> items) const {
  std::vector<float> texts;
  if (!file_) return texts;
  for (const Index item : items) {
    const View<const float> text = this->text(item);
    require_finite(file_->path(), text, View<const Index>(&item, 1));
    texts.insert(texts.end(), text.begin(), text.end());
  }
  check_mapped_files();
  return texts;
}

std::vector<float> Texts::of(Index first, Index count) const {
  std::vector<Index> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), first);
  return of(items);
}

void add_text(CLI::App& command, std::filesystem::path& text) {
  command.add_option("--text", text,
                     "for decoders that see a text: its embeddings, a .npy of float32 [B,length,width], or "
                     "[length,width] for all images");
}

}  // namespace program
