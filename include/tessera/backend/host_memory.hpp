// Memory operations of the backends that compute on the host.
#pragma once

#include <algorithm>
#include <type_traits>

#include <tessera/core/buffer.hpp>

namespace tessera {

template <class S>
struct HostMemory {
  template <class T>
  using Buffer = AlignedBuffer<T>;

  /// Of a new buffer that is written once, by the loading of a model: how soon it is there matters more than how fast
  /// it is read (1 % for one image of titok_l32).
  static void expect_one_write(View<S> buffer) { advise_small_pages(buffer.data(), buffer.size_bytes()); }

  static void upload(View<const float> host, View<S> there) {
    std::transform(host.begin(), host.end(), there.begin(), [](float x) { return S(x); });
  }
  /// Values for the backend to read until `staging` changes; only there if they are not on the host as they are.
  static View<const S> stage(View<const float> host, Buffer<S>& staging) {
    if constexpr (std::is_same_v<S, float>) {
      return host;
    } else {
      if (staging.size() < static_cast<Index>(host.size())) staging = Buffer<S>(static_cast<Index>(host.size()));
      const View<S> there = staging.view().first(host.size());
      upload(host, there);
      return there;
    }
  }
  static void download(View<const S> there, View<float> host) {
    std::transform(there.begin(), there.end(), host.begin(), [](S x) { return static_cast<float>(x); });
  }
  static void upload_tokens(View<const Token> host, View<Token> there) { std::ranges::copy(host, there.begin()); }
  static void download_tokens(View<const Token> there, View<Token> host) { std::ranges::copy(there, host.begin()); }
};

}  // namespace tessera
