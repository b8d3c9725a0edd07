// Matrix products by cuBLASLt. How it computes one is asked once for each size and then remembered.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/cuda_memory.hpp>
#include <tessera/backend/thrust/matrix_product.hpp>

namespace tessera::thrust_detail {

inline void check_cublas(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  cudaGetLastError();
  throw Error(ErrorCode::device, std::string(call), cublasLtGetStatusString(status), "success");
}

template <class T>
inline constexpr cudaDataType_t cuda_type = std::is_same_v<T, bfloat16> ? CUDA_R_16BF : CUDA_R_32F;

/// All that the choice of an algorithm depends on.
struct ProductKey {
  Index rows, columns, depth;
  std::array<int, 4> alignments;  // in bytes: of a, of b, of c and the residual, of the bias
  int compute, output;
  bool a_transposed, b_transposed, bias, residual;

  auto operator<=>(const ProductKey&) const = default;
};

/// The largest power of two, up to 256, that all of these addresses are multiples of.
template <class... Pointers>
int common_alignment(Pointers... pointers) {
  const std::uintptr_t bits = (reinterpret_cast<std::uintptr_t>(pointers) | ...) | 256U;
  return 1 << std::countr_zero(bits);
}

/// One size's descriptions and algorithm. cuBLASLt counts by columns: a row-major c = a b is its c^T = b^T a^T.
class ProductPlan {
 public:
  template <class S, class Output>
  ProductPlan(cublasLtHandle_t handle, const MatrixProduct<S, Output>& p, const ProductKey& key,
              cublasComputeType_t compute) {
    cublasLtMatmulDesc_t operation = nullptr;
    check_cublas(cublasLtMatmulDescCreate(&operation, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
    operation_.reset(operation);
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, cuda_type<S>);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    }
    a_ = p.a_transposed ? layout<S>(p.rows, p.depth) : layout<S>(p.depth, p.rows);
    b_ = p.b_transposed ? layout<S>(p.depth, p.columns) : layout<S>(p.columns, p.depth);
    c_ = layout<Output>(p.columns, p.rows);
    choose(handle, key);
  }

  template <class S, class Output>
  void run(cublasLtHandle_t handle, const MatrixProduct<S, Output>& p) {
    if (p.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    const float one = 1, added = p.residual != nullptr ? 1 : 0;
    const Output* c = p.residual != nullptr ? p.residual : p.c;
    // Made and freed in the stream's order: a graph then has its own, whichever thread it runs in.
    auto workspace = CudaBuffer<std::byte>::unwritten(static_cast<Index>(algorithm_.workspaceSize));
    check_cublas(
        cublasLtMatmul(handle, operation_.get(), &one, p.b, b_.get(), p.a, a_.get(), &added, c, c_.get(), p.c, c_.get(),
                       &algorithm_.algo, workspace.view().data(), algorithm_.workspaceSize, cuda_stream),
        "cublasLtMatmul");
  }

 private:
  struct End {
    void operator()(cublasLtMatmulDesc_t p) const { cublasLtMatmulDescDestroy(p); }
    void operator()(cublasLtMatrixLayout_t p) const { cublasLtMatrixLayoutDestroy(p); }
    void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
  };
  template <class Handle>
  using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, End>;
  using Layout = Owner<cublasLtMatrixLayout_t>;

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(operation_.get(), attribute, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute");
  }
  /// A matrix as cuBLASLt sees it: `height` values lie together, `width` times.
  template <class T>
  static Layout layout(Index height, Index width) {
    cublasLtMatrixLayout_t made = nullptr;
    check_cublas(cublasLtMatrixLayoutCreate(&made, cuda_type<T>, static_cast<std::uint64_t>(height),
                                            static_cast<std::uint64_t>(width), height),
                 "cublasLtMatrixLayoutCreate");
    return Layout(made);
  }

  void choose(cublasLtHandle_t handle, const ProductKey& key) {
    cublasLtMatmulPreference_t made = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
    const Owner<cublasLtMatmulPreference_t> preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{32} << 20);  // what cuBLAS itself takes on Hopper
    // Parts of a sum are added up in float32, not in the output's type.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key.alignments[1]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key.alignments[0]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key.alignments[2]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key.alignments[2]));
    std::array<cublasLtMatmulHeuristicResult_t, 4> best{};  // the fastest first
    int count = 0;
    const auto status = cublasLtMatmulAlgoGetHeuristic(handle, operation_.get(), b_.get(), a_.get(), c_.get(), c_.get(),
                                                       made, static_cast<int>(best.size()), best.data(), &count);
    const auto found = std::find_if(best.begin(), best.begin() + count,
                                    [](const auto& one) { return one.state == CUBLAS_STATUS_SUCCESS; });
    if (status == CUBLAS_STATUS_SUCCESS && found != best.begin() + count) {
      algorithm_ = *found;
      return;
    }
    const auto size = [](Index rows, Index columns) { return std::to_string(rows) + " x " + std::to_string(columns); };
    check_cublas(status != CUBLAS_STATUS_SUCCESS ? status : CUBLAS_STATUS_NOT_SUPPORTED,
                 "cublasLtMatmul of " + size(key.rows, key.depth) + " by " + size(key.depth, key.columns));
  }

  Owner<cublasLtMatmulDesc_t> operation_;
  Layout a_, b_, c_;
  cublasLtMatmulHeuristicResult_t algorithm_{};
};

/// The current device's cuBLASLt, for all threads. As the device's context, it ends with the program.
inline cublasLtHandle_t cublaslt_handle() {
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  const std::lock_guard lock(mutex);
  cublasLtHandle_t& handle = handles[device];
  if (handle == nullptr) check_cublas(cublasLtCreate(&handle), "cublasLtCreate");
  return handle;
}

template <class S, class Output>
void cublaslt_multiply_part(const MatrixProduct<S, Output>& p, cublasComputeType_t compute) {
  thread_local std::map<std::pair<cublasLtHandle_t, ProductKey>, ProductPlan> plans;  // a run writes into its plan
  const cublasLtHandle_t handle = cublaslt_handle();
  const ProductKey key{
      p.rows,
      p.columns,
      p.depth,
      {common_alignment(p.a), common_alignment(p.b), common_alignment(p.c, p.residual), common_alignment(p.bias)},
      compute,
      cuda_type<S> * 256 + cuda_type<Output>,
      p.a_transposed,
      p.b_transposed,
      p.bias != nullptr,
      p.residual != nullptr};
  auto found = plans.find({handle, key});
  if (found == plans.end()) found = plans.try_emplace({handle, key}, handle, p, key, compute).first;
  found->second.run(handle, p);
}

/// In parts of a million rows: beyond two some of cuBLASLt's kernels end.
template <class S, class Output>
void cublaslt_multiply(MatrixProduct<S, Output> product, cublasComputeType_t compute) {
  if (product.rows == 0 || product.depth == 0) return;
  // A slice of a bias may start anywhere; cuBLASLt reads sixteen bytes at a time.
  const bool moves = product.bias != nullptr && common_alignment(product.bias) < 16;
  auto bias = CudaBuffer<S>::unwritten(moves ? product.columns : 0);
  if (moves) {
    check_cuda(cudaMemcpyAsync(bias.view().data(), product.bias, bias.view().size_bytes(), cudaMemcpyDeviceToDevice,
                               cuda_stream),
               "cudaMemcpyAsync");
    product.bias = bias.view().data();
  }
  constexpr Index most = Index{1} << 20;
  for (Index left = product.rows; left > 0; left -= most) {
    product.rows = product.a_transposed ? left : std::min(left, most);
    cublaslt_multiply_part(product, compute);
    if (product.a_transposed) return;
    product.a += product.rows * product.depth;
    product.c += product.rows * product.columns;
    if (product.residual != nullptr) product.residual += product.rows * product.columns;
  }
}

}  // namespace tessera::thrust_detail
