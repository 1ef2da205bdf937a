// Sums over the rows of a run by a team of four lanes, eight runs to a warp. More lanes would spend their time on
// adding up what each has; fewer would wait for the longest of more runs.
#pragma once

#include "cuda/block.cuh"
#include "cuda/members.cuh"

namespace askew {

constexpr int kTeam = 4;
constexpr int kTeamsPerWarp = kWarp / kTeam;

__device__ __forceinline__ unsigned lane_of_team() { return threadIdx.x % kTeam; }

// Calls add(itemset, run) for all itemsets of a tile, in all lanes of a warp at once, since they exchange their sums.
// A team for which no itemset is left has an empty run.
template <class Add>
__device__ __forceinline__ void for_runs(const Run* runs, std::int64_t n_sets, const Add& add) {
  const int team = lane_of_warp() / kTeam;
  for (std::int64_t first = std::int64_t{warp_of_block()} * kTeamsPerWarp; first < n_sets;
       first += std::int64_t{warps_per_block()} * kTeamsPerWarp) {
    const std::int64_t s = first + team;
    const Run run = s < n_sets ? runs[s] : Run{0, 0};
    if (__ballot_sync(kAllLanes, run.length > 0) != 0) add(s, run);
  }
}

}  // namespace askew
