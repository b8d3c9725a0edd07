// Operations that are the same each time, recorded in a CUDA graph: one start instead of hundreds. (A start takes some
// microseconds, as long as what it starts computes for one image.)
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <tessera/backend/thrust/cuda_memory.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// The concept's Replay. The first run of a key is plain, so that cuBLASLt is ready; the second is recorded, with the
/// scratch memory that it takes and gives back. What cannot be recorded or started so (there is no memory for the
/// recording's own) stays plain.
class CudaReplay {
 public:
  template <class F>
  void run(Index key, F&& f) {
    auto found = std::ranges::find(recordings_, key, &Recording::key);
    if (found == recordings_.end()) {
      f();
      if (recordings_.size() < most) recordings_.push_back({key, nullptr, false});
      return;
    }
    if (!found->plain && (start(*found, f) || (cuda_trim_memory() && start(*found, f)))) return;
    found->plain = true;
    found->graph.reset();
    f();
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
    bool plain;
  };

  /// While it lives, the calling thread's operations go to another stream.
  struct Aside {
    cudaStream_t before;
    explicit Aside(cudaStream_t stream) : before(std::exchange(cuda_stream, stream)) {}
    ~Aside() { cuda_stream = before; }
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;
  };

  /// False where it failed: the plain run then says why, if it does too.
  template <class F>
  bool start(Recording& recording, F& f) {
    if (recording.graph == nullptr) recording.graph = record(f);
    if (recording.graph != nullptr && cudaGraphLaunch(recording.graph.get(), cuda_stream) == cudaSuccess) return true;
    cudaGetLastError();  // what runs next must not find it as its own
    return false;
  }

  /// In a stream of its own: CUDA's legacy one cannot be recorded, nor be used by others while one that waits for it
  /// is. Null where it failed.
  template <class F>
  GraphExec record(F& f) {
    const Aside aside(recorder_.get());
    if (cudaStreamBeginCapture(cuda_stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return nullptr;
    bool whole = true;
    try {
      f();
    } catch (...) {
      whole = false;
    }
    cudaGraph_t captured = nullptr;
    whole = cudaStreamEndCapture(cuda_stream, &captured) == cudaSuccess && whole;
    const Graph graph(captured);
    cudaGraphExec_t made = nullptr;
    if (whole && cudaGraphInstantiate(&made, graph.get(), 0) != cudaSuccess) made = nullptr;
    return GraphExec(made);
  }

  CudaStreamOwner recorder_ = make_cuda_stream();
  std::vector<Recording> recordings_;
};

}  // namespace tessera::thrust_detail
