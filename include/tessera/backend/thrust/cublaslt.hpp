// Matrix products by cuBLASLt. How it computes one is asked once for each size and then remembered.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

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
  std::array<int, 3> alignments;  // of a, b, and of c and what is added to it; in bytes
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
              cublasComputeType_t compute, std::size_t workspace_bytes) {
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
    choose(handle, key, workspace_bytes);
  }

  template <class S, class Output>
  void run(cublasLtHandle_t handle, const MatrixProduct<S, Output>& p, void* workspace, std::size_t workspace_bytes) {
    if (p.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    const float one = 1, added = p.residual != nullptr ? 1 : 0;
    const Output* c = p.residual != nullptr ? p.residual : p.c;
    check_cublas(cublasLtMatmul(handle, operation_.get(), &one, p.b, b_.get(), p.a, a_.get(), &added, c, c_.get(), p.c,
                                c_.get(), &algorithm_, workspace, workspace_bytes, cuda_stream),
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

  void choose(cublasLtHandle_t handle, const ProductKey& key, std::size_t workspace_bytes) {
    cublasLtMatmulPreference_t made = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
    const Owner<cublasLtMatmulPreference_t> preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key.alignments[1]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key.alignments[0]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key.alignments[2]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key.alignments[2]));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const auto status = cublasLtMatmulAlgoGetHeuristic(handle, operation_.get(), b_.get(), a_.get(), c_.get(), c_.get(),
                                                       made, 1, &best, &found);
    const auto size = [&] {
      return "cublasLtMatmul of " + std::to_string(key.rows) + " x " + std::to_string(key.depth) + " by " +
             std::to_string(key.depth) + " x " + std::to_string(key.columns);
    };
    check_cublas(status, size());
    if (found == 0) check_cublas(CUBLAS_STATUS_NOT_SUPPORTED, size());
    algorithm_ = best.algo;
  }

  Owner<cublasLtMatmulDesc_t> operation_;
  Layout a_, b_, c_;
  cublasLtMatmulAlgo_t algorithm_{};
};

/// One thread's use of cuBLASLt on one device.
class CublasLt {
 public:
  CublasLt() {
    check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    if (const auto status = cudaMalloc(&workspace_, workspace_bytes); status != cudaSuccess) {
      cublasLtDestroy(handle_);
      check_cuda(status, "cudaMalloc of " + std::to_string(workspace_bytes) + " bytes for cuBLASLt");
    }
  }
  ~CublasLt() {
    cudaFree(workspace_);
    cublasLtDestroy(handle_);
  }
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// The calling thread's, for its current device.
  static CublasLt& current() {
    thread_local std::map<int, CublasLt> devices;
    int device = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    return devices[device];
  }

  template <class S, class Output>
  void multiply(const MatrixProduct<S, Output>& p, cublasComputeType_t compute) {
    const ProductKey key{p.rows,
                         p.columns,
                         p.depth,
                         {common_alignment(p.a), common_alignment(p.b), common_alignment(p.c, p.residual, p.bias)},
                         compute,
                         cuda_type<S> * 256 + cuda_type<Output>,
                         p.a_transposed,
                         p.b_transposed,
                         p.bias != nullptr,
                         p.residual != nullptr};
    auto found = plans_.find(key);
    if (found == plans_.end()) {
      found = plans_.try_emplace(key, handle_, p, key, compute, workspace_bytes).first;
    }
    found->second.run(handle_, p, workspace_, workspace_bytes);
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // what cuBLAS itself takes on Hopper

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<ProductKey, ProductPlan> plans_;
};

template <class S, class Output>
void cublaslt_multiply(const MatrixProduct<S, Output>& product, cublasComputeType_t compute) {
  if (product.rows > 0) CublasLt::current().multiply(product, compute);
}

}  // namespace tessera::thrust_detail
