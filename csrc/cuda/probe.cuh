// What a GPU can do at best at the things that the kernels are made of: benchmarks/gpu_limits.py measures it, and
// nothing else uses it. Each thread leaves a value that depends on all of its work, so that no work can be left out.
#pragma once

#include "cuda/count.cuh"
#include "cuda/resample.cuh"

namespace askew {

__device__ __forceinline__ std::int64_t thread_of_grid() {
  return std::int64_t{blockIdx.x} * blockDim.x + static_cast<std::int64_t>(threadIdx.x);
}

// Reads `pairs` pairs of words, `repeats` times; those of block b begin at b * block_step: 0 for what stays in L1.
extern "C" __global__ void __launch_bounds__(1024)
    askew_probe_read(const WordPair* __restrict__ words, std::int64_t block_step, std::int64_t pairs,
                     std::int64_t repeats, Word* sums) {
  const WordPair* begin = words + block_step * blockIdx.x;
  Word sum = 0;
  for (std::int64_t repeat = 0; repeat < repeats; ++repeat)
    for (std::int64_t i = threadIdx.x; i < pairs; i += blockDim.x) sum += begin[i].first ^ begin[i].second;
  sums[thread_of_grid()] = sum;
}

// Conjunctions of two words, whose ones are counted and added up, in registers.
extern "C" __global__ void __launch_bounds__(1024) askew_probe_count(std::int64_t repeats, Word* sums) {
  Word word = static_cast<Word>(thread_of_grid()), mask = ~word, sum = 0;
  for (std::int64_t i = 0; i < repeats; ++i) {
    sum += static_cast<Word>(__popcll(word & mask));
    word += 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio: other bits every time
  }
  sums[thread_of_grid()] = sum;
}

// Weights of `repeats` rows in eight replicates each.
extern "C" __global__ void __launch_bounds__(512) askew_probe_weights(std::int64_t repeats, Word* sums) {
  std::uint32_t* alias = shared_memory;
  if (threadIdx.x < kAliasColumns) Poisson16::fill(alias, static_cast<int>(threadIdx.x));
  __syncthreads();
  const ThreefryKey key = threefry_key(0, 0, 0, Poisson16::kDistribution.id);
  const std::uint64_t first = static_cast<std::uint64_t>(thread_of_grid() * repeats);
  Word sum = 0;
  for (std::int64_t i = 0; i < repeats; ++i)
    sum += Poisson16::weights(alias, key, first + static_cast<std::uint64_t>(i), 0);
  sums[thread_of_grid()] = sum;
}

// Additions of the weights of rows of a tile, two at a time and eight replicates each: the inner loop of resampling, at
// rows that a linear congruential generator (Knuth's) names instead of a list in memory.
extern "C" __global__ void __launch_bounds__(512) askew_probe_add(std::int64_t repeats, Word* sums) {
  std::uint32_t* weights = shared_memory;
  for (int r = static_cast<int>(threadIdx.x); r < kTileRows; r += static_cast<int>(blockDim.x))
    weights[r] = 0x01010101u * static_cast<std::uint32_t>(r % 8);
  __syncthreads();
  std::uint32_t pair = static_cast<std::uint32_t>(thread_of_grid()), even = 0, odd = 0;
  for (std::int64_t i = 0; i < repeats; ++i) {
    pair = pair * 1664525u + 1013904223u;
    const std::uint32_t first = weights[pair >> 2 & (kTileRows - 1)], second = weights[pair >> 18];
    even += (first & 0x0F0F0F0Fu) + (second & 0x0F0F0F0Fu);
    odd += (first >> 4 & 0x0F0F0F0Fu) + (second >> 4 & 0x0F0F0F0Fu);
  }
  sums[thread_of_grid()] = Word{odd} << 32 | even;
}

}  // namespace askew
