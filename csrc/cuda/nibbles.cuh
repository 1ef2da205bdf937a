// The weights of a row in eight replicates: a nibble each, for no weight is above 12. Replicate r is nibble r.
#pragma once

#include "core/weights.hpp"
#include "cuda/block.cuh"

namespace askew {

// Walker's table is looked up in shared memory: sixteen words in sixteen banks, so that no look-up waits for another.
// It says of each column the largest uniform that takes the first weight, as in csrc/cpu/simd/weights.inl.
constexpr int kTableWords = 2 * kAliasColumns;

__device__ __forceinline__ std::uint32_t both_weights(const AliasTable& table, int column) {
  return std::uint32_t{table.second[column]} << 4 | table.first[column];
}

__device__ __forceinline__ std::uint32_t last_uniform(const AliasTable& table, int column) {
  return (table.cut[column] - 1) * kAliasColumns + static_cast<std::uint32_t>(column);
}

__device__ __forceinline__ std::uint32_t nibble(std::uint32_t both, bool first) {
  return (first ? both : both >> 4) & 15;
}

struct Poisson16 {
  static constexpr Distribution kDistribution = kPoisson16;
  static constexpr AliasTable kAlias = alias_table(kPoisson16);

  // The largest uniform in the upper half, the weights in the lower.
  static __device__ __forceinline__ void fill(std::uint32_t* table, int column) {
    constexpr AliasTable alias = kAlias;
    table[column] = last_uniform(alias, column) << 16 | both_weights(alias, column);
  }

  // Of a uniform in the upper half of a word whose lower half is 0.
  static __device__ __forceinline__ std::uint32_t weight(const std::uint32_t* table, std::uint32_t uniform) {
    const std::uint32_t entry = table[(uniform >> 16) % kAliasColumns];
    return nibble(entry, uniform <= entry);
  }

  static __device__ __forceinline__ std::uint32_t weights(const std::uint32_t* table, const ThreefryKey& key,
                                                          std::uint64_t row, std::uint32_t group) {
    const Threefry4<std::uint32_t> x = weights_words(key, row, group);
    std::uint32_t nibbles = 0;
#pragma unroll
    for (int i = 3; i >= 0; --i) {
      nibbles = nibbles << 4 | weight(table, x.word[i] & 0xFFFF0000u);
      nibbles = nibbles << 4 | weight(table, x.word[i] << 16);
    }
    return nibbles;
  }
};

struct Poisson32 {
  static constexpr Distribution kDistribution = kPoisson32;
  static constexpr AliasTable kAlias = alias_table(kPoisson32);

  // The largest uniforms, then the weights.
  static __device__ __forceinline__ void fill(std::uint32_t* table, int column) {
    constexpr AliasTable alias = kAlias;
    table[column] = last_uniform(alias, column);
    table[kAliasColumns + column] = both_weights(alias, column);
  }

  static __device__ __forceinline__ std::uint32_t weights(const std::uint32_t* table, const ThreefryKey& key,
                                                          std::uint64_t row, std::uint32_t group) {
    std::uint32_t nibbles = 0;
#pragma unroll
    for (int half = 1; half >= 0; --half) {
      const Threefry4<std::uint32_t> x = weights_words(key, row, 2 * group + static_cast<std::uint32_t>(half));
#pragma unroll
      for (int i = 3; i >= 0; --i) {
        const std::uint32_t column = x.word[i] % kAliasColumns;
        nibbles = nibbles << 4 | nibble(table[kAliasColumns + column], x.word[i] <= table[column]);
      }
    }
    return nibbles;
  }
};

}  // namespace askew
