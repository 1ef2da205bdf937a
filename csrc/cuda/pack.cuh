// Rows of bytes → packed columns.
#pragma once

#include "core/bits.hpp"
#include "cuda/block.cuh"

namespace askew {

constexpr int kPackRows = 64;      // of a block: one word of each column
constexpr int kPackColumns = 128;  // of a block
constexpr int kPackStride = 132;   // bytes; 33 words: the 32 rows of a warp lie in 32 banks

// values[row * row_stride + column * column_stride] → columns[column * n_words + word]. `wrong` becomes the least
// row * p + column of a value that is neither 0 nor 1. Blocks: (n_words, columns / kPackColumns).
extern "C" __global__ void __launch_bounds__(256)
    askew_pack(const std::uint8_t* values, std::int64_t row_stride, std::int64_t column_stride, std::int64_t n,
               std::int64_t p, Word* columns, std::int64_t n_words, Sum64* wrong) {
  std::uint8_t* tile = reinterpret_cast<std::uint8_t*>(shared_memory);
  const std::int64_t word = blockIdx.x, first_row = word * kPackRows;
  const std::int64_t first_column = std::int64_t{kPackColumns} * blockIdx.y;
  const int n_columns = static_cast<int>(p - first_column < kPackColumns ? p - first_column : kPackColumns);

  // Neighbouring threads read what lies side by side: columns of a row, or rows of a column.
  const bool by_row =
      (column_stride < 0 ? -column_stride : column_stride) <= (row_stride < 0 ? -row_stride : row_stride);
  for (int i = static_cast<int>(threadIdx.x); i < kPackRows * kPackColumns; i += static_cast<int>(blockDim.x)) {
    const int r = by_row ? i / kPackColumns : i % kPackRows, c = by_row ? i % kPackColumns : i / kPackRows;
    std::uint8_t value = 0;
    if (first_row + r < n && c < n_columns) {
      value = values[(first_row + r) * row_stride + (first_column + c) * column_stride];
      if (value > 1) atomicMin(wrong, static_cast<Sum64>((first_row + r) * p + first_column + c));
    }
    tile[r * kPackStride + c] = value;
  }
  __syncthreads();
  const int lane = lane_of_warp();
  for (int c = warp_of_block(); c < n_columns; c += warps_per_block()) {
    const Word low = __ballot_sync(kAllLanes, tile[lane * kPackStride + c]);
    const Word high = __ballot_sync(kAllLanes, tile[(kWarp + lane) * kPackStride + c]);
    if (lane == 0) columns[(first_column + c) * n_words + word] = low | high << 32;
  }
}

}  // namespace askew
