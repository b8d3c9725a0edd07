// Memory operations of the backends that compute on the host.
#pragma once

#include <algorithm>
#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/core/buffer.hpp>

namespace tessera {

template <class S>
struct HostMemory {
  template <class T>
  using Buffer = AlignedBuffer<T>;

  /// Of a new buffer that is written once, by the loading of a model: how soon it is there matters more than how fast
  /// it is read (1 % for one image of titok_l32).
  static void expect_one_write(View<S> buffer) { advise_small_pages(buffer.data(), buffer.size_bytes()); }

  static void upload(View<const float> host, View<S> there) { convert(host, there); }
  static void upload(View<const float> host, View<Wide<S>> there) requires(!std::is_same_v<S, Wide<S>>) {
    convert(host, there);
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
  static void download(View<const S> there, View<float> host) { convert(there, host); }
  static void download(View<const Wide<S>> there, View<float> host) requires(!std::is_same_v<S, Wide<S>>) {
    convert(there, host);
  }
  static void upload_tokens(View<const Token> host, View<Token> there) { std::ranges::copy(host, there.begin()); }
  static void download_tokens(View<const Token> there, View<Token> host) { std::ranges::copy(there, host.begin()); }

  /// Nothing goes on beside the calling thread: copies are done when they return.
  struct Transfers {
    template <class From, class To>
    static void upload(View<const From> host, View<To> there) {
      convert(host, there);
    }
    template <class From, class To>
    static void download(View<const From> there, View<To> host) {
      convert(there, host);
    }
    static void wait() {}
    static void forget() {}
  };
  struct Replay {
    template <class F>
    static void run(Index /*key*/, F&& f) {
      f();
    }
  };

 private:
  template <class From, class To>
  static void convert(View<const From> from, View<To> to) {
    std::transform(from.begin(), from.end(), to.begin(), [](From x) { return static_cast<To>(x); });
  }
};

}  // namespace tessera
