// Memory operations of the backends that compute on the host.
#pragma once

#include <algorithm>

#include <tessera/core/buffer.hpp>

namespace tessera {

template <class S>
struct HostMemory {
  template <class T>
  using Buffer = AlignedBuffer<T>;

  static void upload(View<const float> host, View<S> there) {
    std::transform(host.begin(), host.end(), there.begin(), [](float x) { return S(x); });
  }
  static void download(View<const S> there, View<float> host) {
    std::transform(there.begin(), there.end(), host.begin(), [](S x) { return static_cast<float>(x); });
  }
  static void upload_tokens(View<const Token> host, View<Token> there) { std::ranges::copy(host, there.begin()); }
  static void download_tokens(View<const Token> there, View<Token> host) { std::ranges::copy(there, host.begin()); }
};

}  // namespace tessera
