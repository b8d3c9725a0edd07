// Sums down the columns of a matrix, two of every column: what rows add to the gradients of weights and biases. Blocks
// of rows first, then the blocks' sums, in an order that the matrix's size gives.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

inline constexpr int column_threads = 256;  // at most

/// How a block of 256 threads or a few less lies over rows of `columns` values: `width` packs side by side, so that a
/// warp reads what lies together, and `lanes` rows at a time.
template <class S, Index columns>
struct ColumnTile {
  static constexpr int pack_size = thrust_detail::pack_size<S, columns>;
  static constexpr int width = static_cast<int>(smaller(columns / pack_size, 32));
  static constexpr int across = width * pack_size;  // columns of a block
  static constexpr int lanes = column_threads / width;
  static constexpr int threads = width * lanes;
  static constexpr std::size_t shared_bytes = lanes * 2 * across * sizeof(float);  // of `share`

  /// Blocks of so many rows a thread.
  static constexpr Index blocks(Index rows, int rows_per_thread) { return ceil_div(rows, lanes * rows_per_thread); }
  static dim3 grid(Index blocks) { return grid_of(blocks, ceil_div(columns, across)); }

  __device__ static int lane() { return static_cast<int>(threadIdx.x) / width; }
  /// The block's first row, where its matrix has so many blocks, and the thread's first column, which may lie past the
  /// last.
  __device__ static Index row(unsigned blocks, int rows_per_thread) {
    return static_cast<Index>(blockIdx.x % blocks) * (lanes * rows_per_thread);
  }
  __device__ static Index column() {
    return static_cast<Index>(blockIdx.y) * across + static_cast<int>(threadIdx.x) % width * pack_size;
  }

  /// How many of the block's first `rows` rows are the lane's.
  __device__ static int rows_of(int lane, int rows) { return (rows - lane + lanes - 1) / lanes; }

  /// Shows the block two values of each column: shared [lanes, 2, across].
  __device__ static void share(const float (&first)[pack_size], const float (&second)[pack_size], float* shared) {
    float* const mine = shared + lane() * 2 * across + static_cast<int>(threadIdx.x) % width * pack_size;
    for (int i = 0; i < pack_size; ++i) {
      mine[i] = first[i];
      mine[across + i] = second[i];
    }
    __syncthreads();
  }
};

/// Rows that a thread adds up one by one: enough to be worth the sum over lanes and blocks, few enough that a map of
/// 16 x 16 pixels is several blocks. Not tuned on a GPU.
inline constexpr int rows_per_sum = 16;

/// sums[b] = the sums over block b's rows.
template <class Terms>
__global__ void __launch_bounds__(column_threads) column_sums(Terms terms, Index rows, unsigned blocks,
                                                              float* sums) {  // [images, blocks, 2, columns]
  using Tile = ColumnTile<typename Terms::Scalar, Terms::columns>;
  const Index begin = Tile::row(blocks, rows_per_sum);
  const Index end = smaller(begin + Tile::lanes * rows_per_sum, rows);
  float first[Tile::pack_size] = {}, second[Tile::pack_size] = {};
  if (Tile::column() < Terms::columns) {
    const auto columns = terms.at(blockIdx.x / blocks, Tile::column());
    for (Index r = begin + Tile::lane(); r < end; r += Tile::lanes) columns.add(r, first, second);
  }
  float* const shared = reinterpret_cast<float*>(ptx::shared_memory());
  Tile::share(first, second, shared);
  for (int i = static_cast<int>(threadIdx.x); i < 2 * Tile::across; i += Tile::threads) {
    const Index column = static_cast<Index>(blockIdx.y) * Tile::across + i % Tile::across;
    if (column >= Terms::columns) continue;
    float sum = 0;
    for (int lane = 0; lane < Tile::lanes; ++lane) sum += shared[lane * 2 * Tile::across + i];
    sums[(static_cast<Index>(blockIdx.x) * 2 + i / Tile::across) * Terms::columns + column] = sum;
  }
}

inline constexpr int block_sum_parts = 8;
inline constexpr int block_sum_threads = 32 * block_sum_parts;

/// first[c] += the sum over blocks of sums[b, 0, c], second[c] += that of sums[b, 1, c]. A block: 32 columns, each in
/// eight parts.
template <Index columns>
__global__ void __launch_bounds__(block_sum_threads) add_block_sums(const float* sums,  // [blocks, 2, columns]
                                                                    Index blocks,
                                                                    float* first,     // [columns]
                                                                    float* second) {  // [columns]
  const int part = static_cast<int>(threadIdx.x) / 32;
  const Index column = static_cast<Index>(blockIdx.x) * 32 + threadIdx.x % 32;  // of both
  float sum = 0;
  if (column < 2 * columns) {
    for (Index b = part; b < blocks; b += block_sum_parts) sum += sums[b * 2 * columns + column];
  }
  float* const shared = reinterpret_cast<float*>(ptx::shared_memory());  // [block_sum_parts, 32]
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (part > 0 || column >= 2 * columns) return;
  for (int other = 1; other < block_sum_parts; ++other) sum += shared[other * 32 + static_cast<int>(threadIdx.x)];
  float& to = column < columns ? first[column] : second[column - columns];
  to += sum;
}

/// The sums over blocks of rows of each of the images, [images, blocks, 2, columns]. `terms` is copied to where it runs
/// and says what is added up:
///   Terms::Scalar, Terms::columns           the matrix that is read
///   terms.at(image, column)                 what the thread of this column and its pack's others keeps between rows
///   terms.at(...).add(row, first, second)   adds the two terms of each of them
template <class System, class Terms>
auto sum_columns(const Terms& terms, Index images, Index rows) {
  using Tile = ColumnTile<typename Terms::Scalar, Terms::columns>;
  const Index blocks = Tile::blocks(rows, rows_per_sum);
  auto sums = System::template scratch<float>(images * blocks * 2 * Terms::columns);
  System::run(column_sums<Terms>, Tile::grid(images * blocks), Tile::threads, Tile::shared_bytes, terms, rows,
              static_cast<unsigned>(blocks), sums.view().data());
  return sums;
}

/// Adds what sum_columns made over all images and rows.
template <class System, Index columns>
void add_column_sums(View<const float> sums, float* first, float* second) {
  System::run(add_block_sums<columns>, grid_of(ceil_div(2 * columns, 32)), block_sum_threads,
              block_sum_threads * sizeof(float), sums.data(), static_cast<Index>(sums.size()) / (2 * columns), first,
              second);
}

}  // namespace tessera::thrust_detail
