// Which rows contain which itemsets: for each tile of rows and each itemset a run of row numbers.
#pragma once

#include "core/bits.hpp"
#include "cuda/block.cuh"

namespace askew {

// Rows are two to a word, so that every run begins at a word; the last is filled up with the number behind the tile.
struct alignas(8) Run {
  std::uint32_t begin, length;  // words
};

constexpr int kMaxWordsPerLane = 8;  // of a tile: 16,384 rows

// A warp takes an itemset in a tile of tile_words words, a multiple of 32, and makes
// runs[tile * n_sets + itemset]. Runs lie in `rows` in no particular order, which is that of their sums: no result
// depends on it. `used` becomes the words that they all need. If those are more than `capacity`, some are not written:
// the caller looks. Blocks: (itemsets / warps, tiles).
extern "C" __global__ void __launch_bounds__(256)
    askew_members(const Word* __restrict__ columns, std::int64_t n_words, std::int64_t n, std::int64_t tile_words,
                  std::int64_t first_tile, const std::int32_t* __restrict__ items,
                  const std::int64_t* __restrict__ offsets, std::int64_t n_sets, Run* runs, std::uint32_t* rows,
                  std::int64_t capacity, Sum64* used) {
  const int lane = lane_of_warp();
  const std::int64_t s = std::int64_t{blockIdx.x} * warps_per_block() + warp_of_block();
  if (s >= n_sets) return;

  // Words behind the table are read at its beginning instead, and masked.
  const int words_per_lane = static_cast<int>(tile_words / kWarp);
  const std::int64_t first_word = (first_tile + blockIdx.y) * tile_words + lane;
  Word members[kMaxWordsPerLane];
  for (int k = 0; k < kMaxWordsPerLane; ++k)
    members[k] = k < words_per_lane ? valid_bits(first_word + kWarp * k, n) : 0;
  const std::int64_t last = offsets[s + 1];
  for (std::int64_t i = offsets[s]; i < last; ++i) {
    const Word* column = columns + items[i] * n_words;
    for (int k = 0; k < kMaxWordsPerLane; ++k) {
      const std::int64_t word = first_word + kWarp * k;
      if (k < words_per_lane && word < n_words) members[k] &= column[word];
    }
  }

  int count = 0;
  for (const Word word : members) count += __popcll(word);
  int through = count;  // of this lane and those before it
  for (int step = 1; step < static_cast<int>(kWarp); step *= 2) {
    const int before = __shfl_up_sync(kAllLanes, through, step);
    if (lane >= step) through += before;
  }
  const int total = __shfl_sync(kAllLanes, through, kWarp - 1), length = (total + 1) / 2;
  Sum64 begin = 0;
  if (lane == 0 && total > 0) begin = atomicAdd(used, static_cast<Sum64>(length));
  begin = __shfl_sync(kAllLanes, begin, 0);
  if (lane == 0)
    runs[blockIdx.y * n_sets + s] = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(length)};
  if (begin + static_cast<Sum64>(length) > static_cast<Sum64>(capacity)) return;

  std::uint16_t* run = reinterpret_cast<std::uint16_t*>(rows + begin);
  std::uint16_t* next = run + (through - count);
  for (int k = 0; k < kMaxWordsPerLane; ++k)
    for (Word word = members[k]; word != 0; word &= word - 1) {
      const int bit = __ffsll(static_cast<long long>(word)) - 1;
      *next++ = static_cast<std::uint16_t>((kWarp * k + lane) * static_cast<int>(kWordBits) + bit);
    }
  if (lane == 0 && total % 2 == 1) run[total] = static_cast<std::uint16_t>(tile_words * kWordBits);
}

}  // namespace askew
