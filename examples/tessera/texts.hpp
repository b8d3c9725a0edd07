// The texts that text-aware decoders see.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/io/npy.hpp>

#include "program.hpp"

namespace program {

/// Embeddings of --text FILE: one text for each image, or one for all of them.
class Texts {
 public:
  /// path: a .npy file of float32 [B, length, width] or [length, width]; empty where the option is not given. images:
  /// how many there are. Throws UsageError where a text is given to a model that takes none, or the other way round;
  /// Error: file_access, bad_file, mismatch.
  Texts(const std::filesystem::path& path, const tessera::Config& config, Index images);

  /// The texts of these images, [items, length, width]; empty where the model takes none. Throws Error(bad_file) for
  /// NaN and infinity.
  [[nodiscard]] std::vector<float> of(View<const Index> items) const;
  /// The texts of images [first, first + count).
  [[nodiscard]] std::vector<float> of(Index first, Index count) const;
  /// Tells the text of an image from others; 0 where the model takes none.
  [[nodiscard]] std::uint64_t hash(Index item) const;

 private:
  [[nodiscard]] View<const float> text(Index item) const;

  Index values_;  // of one text
  std::optional<tessera::NpyFile> file_;
  bool one_for_all_ = false;
};

/// --text FILE.
void add_text(CLI::App& command, std::filesystem::path& text);

}  // namespace program
