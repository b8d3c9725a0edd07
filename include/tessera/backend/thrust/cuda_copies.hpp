// Copies between the host and the current device. Host values are float32; the device's may be of half the precision.
#pragma once

#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/cuda_launch.hpp>
#include <tessera/backend/thrust/cuda_memory.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// y[i] = x[i], both on the device.
template <class From, class To>
void cuda_convert(View<const From> x, View<To> y) {
  if constexpr (std::is_same_v<From, To>) {
    check_cuda(cudaMemcpyAsync(y.data(), x.data(), x.size_bytes(), cudaMemcpyDeviceToDevice, cuda_stream),
               "cudaMemcpyAsync");
  } else if (!x.empty()) {
    cuda_for_each(static_cast<Index>(x.size()), Convert<From, To>{x.data(), y.data()});
  }
}

/// The concept's operations on memory. They return when they are done.
template <class S>
struct CudaMemory {
  template <class T>
  using Buffer = CudaBuffer<T>;

  static void expect_one_write(View<S> /*buffer*/) {}

  static void upload(View<const float> host, View<float> there) { cuda_copy(host, there, cudaMemcpyHostToDevice); }
  static void upload(View<const float> host, View<S> there) requires(!std::is_same_v<S, float>) {
    Buffer<float> wide(static_cast<Index>(host.size()));
    upload(host, wide.view());
    cuda_convert(View<const float>(wide.view()), there);
  }
  static void download(View<const float> there, View<float> host) { cuda_copy(there, host, cudaMemcpyDeviceToHost); }
  static void download(View<const S> there, View<float> host) requires(!std::is_same_v<S, float>) {
    Buffer<float> wide(static_cast<Index>(there.size()));
    cuda_convert(there, wide.view());
    download(View<const float>(wide.view()), host);
  }
  static void upload_tokens(View<const Token> host, View<Token> there) {
    cuda_copy(host, there, cudaMemcpyHostToDevice);
  }
  static void download_tokens(View<const Token> there, View<Token> host) {
    cuda_copy(there, host, cudaMemcpyDeviceToHost);
  }
  static View<const S> stage(View<const float> host, Buffer<S>& staging) {
    if (staging.view().size() < host.size()) staging = Buffer<S>(static_cast<Index>(host.size()));
    const View<S> there = staging.view().first(host.size());
    upload(host, there);
    return there;
  }
};

}  // namespace tessera::thrust_detail
