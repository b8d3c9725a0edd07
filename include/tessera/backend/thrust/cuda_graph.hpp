// Operations that are the same each time, recorded in a CUDA graph: one start instead of hundreds, which for one image
// would take longer than what they compute.
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <vector>

#include <tessera/backend/thrust/cuda_stream.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// The concept's Replay. The first run of a key is plain, so that whoever needs memory makes it; the second is
/// recorded.
class CudaReplay {
 public:
  template <class F>
  void run(Index key, F&& f) {
    auto found = std::ranges::find(recordings_, key, &Recording::key);
    if (found == recordings_.end()) {
      f();
      if (recordings_.size() < most) recordings_.push_back({key, nullptr});
      return;
    }
    if (found->graph == nullptr) found->graph = record(f);
    check_cuda(cudaGraphLaunch(found->graph.get(), cuda_stream), "cudaGraphLaunch");
  }

 private:
  static constexpr std::size_t most = 8;  // sizes of passes: the usual one, and a few rests

  struct GraphEnd {
    void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
  };
  struct GraphExecEnd {
    void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  };
  using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphEnd>;
  using GraphExec = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphExecEnd>;

  struct Recording {
    Index key;
    GraphExec graph;
  };

  static Graph end_recording() {
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(cuda_stream, &graph), "cudaStreamEndCapture");
    return Graph(graph);
  }

  template <class F>
  static GraphExec record(F& f) {
    check_cuda(cudaStreamBeginCapture(cuda_stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      f();
    } catch (...) {
      cudaGraph_t partial = nullptr;
      if (cudaStreamEndCapture(cuda_stream, &partial) == cudaSuccess) cudaGraphDestroy(partial);
      cudaGetLastError();
      throw;
    }
    const Graph graph = end_recording();
    cudaGraphExec_t made = nullptr;
    check_cuda(cudaGraphInstantiate(&made, graph.get(), 0), "cudaGraphInstantiate");
    return GraphExec(made);
  }

  std::vector<Recording> recordings_;
};

}  // namespace tessera::thrust_detail
