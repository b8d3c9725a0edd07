// PyTorch's own files. They are Python pickles, which run code when they are read, so tessera only says what to do.
#pragma once

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera::detail {

inline bool is_pickle_name(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         extension == ".pkl";
}

/// The start of torch.save's zip archives, or of a pickle of protocol 2 to 5, as torch.save wrote them before. In a
/// safetensors file these bytes would be the header's length, and '{' would follow.
inline bool is_pickle(View<const std::byte> bytes) {
  if (bytes.size() > 8 && bytes[8] == std::byte{'{'}) return false;
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\x03\x04", 4) == 0) return true;
  return bytes.size() >= 2 && bytes[0] == std::byte{0x80} && bytes[1] >= std::byte{2} && bytes[1] <= std::byte{5};
}

/// For a shell.
inline std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

[[noreturn]] inline void refuse_pickle(std::string_view file) {
  constexpr std::size_t most = 100;  // else the command is longer than what an error line shows
  throw Error(ErrorCode::bad_file, file, "a PyTorch pickle, which can run code when it is read",
              "safetensors (convert it: python3 -c \"import sys, torch, safetensors.torch as s; "
              "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
              "s.save_file({k: v.clone().contiguous() for k, v in d.get('state_dict', d).items()}, sys.argv[2])\" " +
                  (file.size() <= most ? quoted(file) : "FILE") + " model.safetensors)");
}

}  // namespace tessera::detail
