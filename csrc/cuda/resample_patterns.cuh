// Counts under the bootstrap weights of distinct rows: as resample.cuh, with weights of any size.
#pragma once

#include "core/pattern_weights.hpp"
#include "cuda/team.cuh"

namespace askew {

constexpr int kQuadReplicates = 4;  // one call of the generator for each draw
constexpr int kPatternTileRows = 4096;

struct alignas(16) QuadWeights {
  std::uint32_t of[kQuadReplicates];
};

// The weights of a row in replicates 4 * quad … 4 * quad + 3.
__device__ __forceinline__ QuadWeights quad_weights(const ThreefryKey& key, std::uint64_t pattern,
                                                    std::int64_t multiplicity, const PoissonTable* tables,
                                                    std::uint32_t quad) {
  QuadWeights weights = {};
  const auto add = [&](std::uint32_t draw, const PoissonTable& table) {
    const Threefry4<std::uint32_t> x =
        threefry4x32<12>(Threefry4<std::uint32_t>{{static_cast<std::uint32_t>(pattern),
                                                   static_cast<std::uint32_t>(pattern >> 32), quad, draw}},
                         key);
    for (int i = 0; i < kQuadReplicates; ++i)
      weights.of[i] += static_cast<std::uint32_t>(poisson_draw(table, x.word[i]));
  };
  for (int bit = 0; bit < kTopBit; ++bit)
    if ((multiplicity >> bit & 1) != 0) add(static_cast<std::uint32_t>(bit), tables[bit]);
  for (std::int64_t copy = 0; copy < multiplicity >> kTopBit; ++copy)
    add(static_cast<std::uint32_t>(kTopBit + copy), tables[kTopBit]);
  return weights;
}

// Adds to counts[s * n_replicates + r] the weight in replicate 4 * first_quad + r of the rows that contain itemset s.
// Row 0 is pattern first_row; runs and n begin with the first tile that is asked for, multiplicities with pattern 0.
// Multiplicities are below 2^31, so that weights fit 32 bits. Blocks: (quads of replicates, tiles).
extern "C" __global__ void __launch_bounds__(512)
    askew_resample_patterns(const Run* __restrict__ runs, const std::uint32_t* __restrict__ rows, std::int64_t n_sets,
                            std::int64_t n, std::uint64_t first_row, std::uint64_t seed, std::uint64_t table,
                            std::int64_t first_quad, Sum64* counts, std::int64_t n_replicates,
                            const std::int64_t* __restrict__ multiplicities, const PoissonTable* __restrict__ tables) {
  QuadWeights* weights = reinterpret_cast<QuadWeights*>(shared_memory);  // kPatternTileRows + 1
  if (threadIdx.x == 0) weights[kPatternTileRows] = {};
  const ThreefryKey key = pattern_key(seed, static_cast<std::uint32_t>(table));
  const std::int64_t begin = std::int64_t{kPatternTileRows} * blockIdx.y;
  const int n_rows = static_cast<int>(n - begin < kPatternTileRows ? n - begin : kPatternTileRows);
  const std::uint32_t quad = static_cast<std::uint32_t>(first_quad) + blockIdx.x;
  for (int r = static_cast<int>(threadIdx.x); r < n_rows; r += static_cast<int>(blockDim.x)) {
    const std::uint64_t pattern = first_row + static_cast<std::uint64_t>(begin + r);
    weights[r] = quad_weights(key, pattern, multiplicities[pattern], tables, quad);
  }
  __syncthreads();

  for_runs(runs + blockIdx.y * n_sets, n_sets, [&](std::int64_t s, const Run& run) {
    Sum64 sums[kQuadReplicates] = {};
    for (std::uint32_t i = lane_of_team(); i < run.length; i += kTeam) {
      const std::uint32_t pair = rows[run.begin + i];
      const QuadWeights first = weights[pair & 0xFFFFu], second = weights[pair >> 16];
      for (int k = 0; k < kQuadReplicates; ++k) sums[k] += Sum64{first.of[k]} + second.of[k];
    }
    for (unsigned k = 0; k < kQuadReplicates; ++k) {
      for (int other = 1; other < kTeam; other *= 2) sums[k] += __shfl_xor_sync(kAllLanes, sums[k], other);
      if (lane_of_team() == k && sums[k] > 0)
        atomicAdd(counts + s * n_replicates + std::int64_t{kQuadReplicates} * blockIdx.x + k, sums[k]);
    }
  });
}

}  // namespace askew
