// Counts under bootstrap weights. A block takes a tile of rows and eight replicates: it draws the weights, one word of
// shared memory for each row, and then adds up, itemset by itemset, those of the rows that contain it. Sums stay in
// registers, so that what a block adds to the counts in memory does not depend on how many rows it takes: few
// replicates, one call of the generator, and many rows.
#pragma once

#include "core/bits.hpp"
#include "cuda/nibbles.cuh"
#include "cuda/team.cuh"

namespace askew {

constexpr int kGroupReplicates = 8;
constexpr int kTileRows = 16384;
constexpr int kPairsPerByte = 10;

constexpr int kMaxWeight = kMaxOutcomes - 1;
static_assert(kMaxWeight < 16, "weights are nibbles");
static_assert(2 * kPairsPerByte * kMaxWeight < 1 << 8, "sums of a byte");
static_assert(kTileRows / kTeam * kMaxWeight < 1 << 16, "sums of a lane");

// Sums of a lane: 16 bits each, replicate k in the lower half of word k and replicate k + 4 in the upper.
struct LaneSums {
  std::uint32_t word[4] = {};

  // 8-bit sums of the even and of the odd replicates.
  __device__ __forceinline__ void add(std::uint32_t even, std::uint32_t odd) {
    word[0] += even & 0x00FF00FFu;
    word[1] += odd & 0x00FF00FFu;
    word[2] += even >> 8 & 0x00FF00FFu;
    word[3] += odd >> 8 & 0x00FF00FFu;
  }

  // The sums of a team's lanes, of two replicates in each: lane l gets replicate first_replicate(l) in the lower half
  // and the next in the upper. In each step a lane keeps one half of its sums, and sends the other to the lane that
  // keeps it.
  __device__ __forceinline__ Sum64 of_team() const {
    const bool upper = (lane_of_team() & 1) != 0, second = (lane_of_team() & 2) != 0;
    std::uint32_t sum[4];
    for (int pair = 0; pair < 4; pair += 2) {
      const std::uint32_t low = (word[pair] & 0xFFFFu) | word[pair + 1] << 16;
      const std::uint32_t high = word[pair] >> 16 | (word[pair + 1] & 0xFFFF0000u);
      const std::uint32_t kept = upper ? high : low, got = __shfl_xor_sync(kAllLanes, upper ? low : high, 1);
      sum[pair] = (kept & 0xFFFFu) + (got & 0xFFFFu);
      sum[pair + 1] = (kept >> 16) + (got >> 16);
    }
    const std::uint32_t a = (second ? sum[2] : sum[0]) + __shfl_xor_sync(kAllLanes, second ? sum[0] : sum[2], 2);
    const std::uint32_t b = (second ? sum[3] : sum[1]) + __shfl_xor_sync(kAllLanes, second ? sum[1] : sum[3], 2);
    return Sum64{b} << 32 | a;
  }

  static __device__ __forceinline__ unsigned first_replicate(unsigned lane) { return (lane & 1) * 4 + (lane & 2); }
};

// Blocks: (groups of replicates, tiles): those that run at one time read the same runs.
template <class Law>
__device__ __forceinline__ void resample(const Run* __restrict__ runs, const std::uint32_t* __restrict__ rows,
                                         std::int64_t n_sets, std::int64_t n, std::uint64_t first_row,
                                         std::uint64_t seed, std::uint32_t table, std::int64_t first_group,
                                         std::uint32_t* counts, std::int64_t n_replicates) {
  std::uint32_t* weights = shared_memory;  // kTileRows + 1: what fills up a run weighs nothing
  std::uint32_t* alias = shared_memory + kTileRows + 1;
  if (threadIdx.x < kAliasColumns) Law::fill(alias, static_cast<int>(threadIdx.x));
  if (threadIdx.x == 0) weights[kTileRows] = 0;
  __syncthreads();

  const ThreefryKey key = threefry_key(static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32), table,
                                       Law::kDistribution.id);
  const std::int64_t begin = std::int64_t{kTileRows} * blockIdx.y;
  const int n_rows = static_cast<int>(n - begin < kTileRows ? n - begin : kTileRows);
  const std::uint32_t group = static_cast<std::uint32_t>(first_group) + blockIdx.x;
  for (int r = static_cast<int>(threadIdx.x); r < n_rows; r += static_cast<int>(blockDim.x))
    weights[r] = Law::weights(alias, key, first_row + static_cast<std::uint64_t>(begin + r), group);
  __syncthreads();

  const std::int64_t replicate =
      std::int64_t{kGroupReplicates} * blockIdx.x + LaneSums::first_replicate(lane_of_team());
  for_runs(runs + blockIdx.y * n_sets, n_sets, [&](std::int64_t s, const Run& run) {
    LaneSums sums;
    for (std::uint32_t i = lane_of_team(); i < run.length;) {
      const std::uint32_t some = i + kTeam * kPairsPerByte, end = some < run.length ? some : run.length;
      std::uint32_t even = 0, odd = 0;
      for (; i < end; i += kTeam) {
        const std::uint32_t pair = rows[run.begin + i];
        const std::uint32_t first = weights[pair & 0xFFFFu], second = weights[pair >> 16];
        even += (first & 0x0F0F0F0Fu) + (second & 0x0F0F0F0Fu);
        odd += (first >> 4 & 0x0F0F0F0Fu) + (second >> 4 & 0x0F0F0F0Fu);
      }
      sums.add(even, odd);
    }
    // Two counts of 32 bits at a time: neither overflows.
    const Sum64 sum = sums.of_team();
    if (sum > 0) atomicAdd(reinterpret_cast<Sum64*>(counts + s * n_replicates + replicate), sum);
  });
}

// Adds to counts[s * n_replicates + r] the weight in replicate 8 * first_group + r of the rows that contain itemset s.
// Row 0 is the table's row first_row; runs and n begin with the first tile that is asked for. Counts begin at an even
// address, of 8 bytes, and there are at most 2^28 rows, so that counts fit 32 bits.
#define ASKEW_RESAMPLE(name, Law)                                                                                    \
  extern "C" __global__ void __launch_bounds__(512)                                                                  \
      name(const Run* runs, const std::uint32_t* rows, std::int64_t n_sets, std::int64_t n, std::uint64_t first_row, \
           std::uint64_t seed, std::uint64_t table, std::int64_t first_group, std::uint32_t* counts,                 \
           std::int64_t n_replicates) {                                                                              \
    resample<Law>(runs, rows, n_sets, n, first_row, seed, static_cast<std::uint32_t>(table), first_group, counts,    \
                  n_replicates);                                                                                     \
  }
ASKEW_RESAMPLE(askew_resample_poisson, Poisson16)
ASKEW_RESAMPLE(askew_resample_poisson32, Poisson32)
#undef ASKEW_RESAMPLE

}  // namespace askew
