// Itemsets → how many instances contain each.
#pragma once

#include "core/bits.hpp"
#include "cuda/block.cuh"

namespace askew {

constexpr int kCountTile = 128;  // words of a column that a block looks at: 100 columns of a tile fit the L1 cache

struct alignas(16) WordPair {
  Word first, second;
};

// Four words of a column, as seen by a lane: two pairs of neighbours, so that a warp reads whole lines.
struct LaneWords {
  WordPair pair[2];

  // A product of 32 bits is all the arithmetic of an address: a column has less than 2^29 words.
  static __device__ __forceinline__ LaneWords of(const Word* const (&from)[2], std::int32_t column,
                                                 std::uint32_t column_bytes) {
    const std::uint64_t skipped = std::uint64_t{static_cast<std::uint32_t>(column)} * column_bytes;
    LaneWords words;
    for (int half = 0; half < 2; ++half)
      words.pair[half] = *reinterpret_cast<const WordPair*>(reinterpret_cast<const char*>(from[half]) + skipped);
    return words;
  }

  __device__ __forceinline__ void operator&=(const LaneWords& other) {
    for (int half = 0; half < 2; ++half) {
      pair[half].first &= other.pair[half].first;
      pair[half].second &= other.pair[half].second;
    }
  }

  __device__ __forceinline__ unsigned count(int half) const {
    return static_cast<unsigned>(__popcll(pair[half].first) + __popcll(pair[half].second));
  }
};

// Adds to counts[s] the instances of a tile that contain itemset s, for sets_per_block of them. A warp takes an
// itemset. Blocks: (slices of the itemsets, tiles): the blocks that run at one time look at few tiles.
extern "C" __global__ void __launch_bounds__(1024)
    askew_count(const Word* __restrict__ columns, std::int64_t n_words, std::int64_t n,
                const std::int32_t* __restrict__ items, const std::int64_t* __restrict__ offsets, std::int64_t n_sets,
                std::int64_t sets_per_block, Sum64* counts) {
  const int lane = lane_of_warp();
  const std::int64_t first_word = std::int64_t{kCountTile} * blockIdx.y;
  const std::int64_t words[2] = {first_word + 2 * lane, first_word + kCountTile / 2 + 2 * lane};
  // Behind the table, the beginning is read instead, and not counted.
  const bool inside[2] = {words[0] < n_words, words[1] < n_words};
  const Word* const from[2] = {columns + (inside[0] ? words[0] : 0), columns + (inside[1] ? words[1] : 0)};
  const std::uint32_t column_bytes = static_cast<std::uint32_t>(n_words * sizeof(Word));
  const std::int64_t left = n - first_word * kWordBits, tile_rows = kCountTile * kWordBits;

  const std::int64_t begin = sets_per_block * blockIdx.x;
  const std::int64_t end = begin + sets_per_block < n_sets ? begin + sets_per_block : n_sets;
  for (std::int64_t s = begin + warp_of_block(); s < end; s += warps_per_block()) {
    const std::int32_t* item = items + offsets[s];
    const std::int32_t* const last = items + offsets[s + 1];
    if (item == last) {
      if (lane == 0) atomicAdd(counts + s, static_cast<Sum64>(left < tile_rows ? left : tile_rows));
      continue;
    }
    LaneWords members = LaneWords::of(from, *item, column_bytes);
    while (++item != last) members &= LaneWords::of(from, *item, column_bytes);
    const unsigned count = (inside[0] ? members.count(0) : 0) + (inside[1] ? members.count(1) : 0);
    const unsigned sum = __reduce_add_sync(kAllLanes, count);
    if (lane == 0 && sum > 0) atomicAdd(counts + s, Sum64{sum});
  }
}

}  // namespace askew
