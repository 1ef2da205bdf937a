// The bootstrap weight of a row in a replicate: a pure function of (seed, table, row, replicate).
// python/askew/engine/weights.py states it in words; both are tested against known answers and against each other.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"
#include "core/threefry.hpp"

namespace askew {

constexpr int kThreefryRounds = 12;
constexpr int kAliasColumns = 16;
constexpr int kMaxOutcomes = 13;

// How many of the 2^bits uniforms give weight 0, 1, 2, …: integers with mean and variance exactly 1, as close to
// Poisson(1) as such integers can be (found by exhaustive search around the probabilities; 16 bits: within 1.23 counts,
// 32 bits: within 1).
struct Distribution {
  std::uint32_t id;  // fourth word of the generator's key: keeps the streams of different distributions apart
  int uniform_bits;
  int n_outcomes;
  std::uint32_t outcomes[kMaxOutcomes];
};

constexpr Distribution kPoisson16 = {0, 16, 9, {24109, 24110, 12055, 4017, 1005, 201, 34, 4, 1}};
constexpr Distribution kPoisson32 = {
    1,
    32,
    13,
    {1580030168, 1580030169, 790015085, 263338362, 65834590, 13166918, 2194486, 313498, 39187, 4354, 436, 39, 4}};

// Walker's alias table: column u % 16 gives `first` if u / 16 < cut, else `second`.
struct AliasTable {
  std::uint32_t cut[kAliasColumns];
  std::uint8_t first[kAliasColumns];
  std::uint8_t second[kAliasColumns];
};

// Column by column, the rarest weight left, topped up by the commonest (ties: the smaller weight).
ASKEW_INLINE constexpr AliasTable alias_table(const Distribution& distribution) {
  AliasTable table{};
  std::uint32_t left[kMaxOutcomes] = {};
  for (int w = 0; w < distribution.n_outcomes; ++w) left[w] = distribution.outcomes[w];
  const std::uint32_t room = std::uint32_t{1} << (distribution.uniform_bits - 4);
  for (int column = 0; column < kAliasColumns; ++column) {
    int rare = -1, common = -1;
    for (int w = 0; w < distribution.n_outcomes; ++w) {
      if (left[w] == 0) continue;
      if (rare < 0 || left[w] < left[rare]) rare = w;
      if (common < 0 || left[w] > left[common]) common = w;
    }
    const std::uint32_t cut = left[rare] < room ? left[rare] : room;
    left[rare] -= cut;
    left[common] -= room - cut;
    table.cut[column] = cut;
    table.first[column] = static_cast<std::uint8_t>(rare);
    table.second[column] = static_cast<std::uint8_t>(common);
  }
  return table;
}

constexpr AliasTable kAlias16 = alias_table(kPoisson16);
constexpr AliasTable kAlias32 = alias_table(kPoisson32);

ASKEW_INLINE constexpr std::uint8_t alias_weight(const AliasTable& table, std::uint32_t uniform) {
  const std::uint32_t column = uniform % kAliasColumns;
  return uniform / kAliasColumns < table.cut[column] ? table.first[column] : table.second[column];
}

// Which weights: everything but row and replicate.
struct Draws {
  const Distribution* distribution;
  std::uint64_t seed;
  std::uint32_t table;
};

ASKEW_INLINE ThreefryKey weights_key(const Draws& draws) {
  return threefry_key(static_cast<std::uint32_t>(draws.seed), static_cast<std::uint32_t>(draws.seed >> 32), draws.table,
                      draws.distribution->id);
}

ASKEW_INLINE Threefry4<std::uint32_t> weights_words(const ThreefryKey& key, std::uint64_t row, std::uint32_t block) {
  return threefry4x32<kThreefryRounds>(
      Threefry4<std::uint32_t>{{static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32), block, 0}},
      key);
}

ASKEW_INLINE std::uint8_t row_weight(const Draws& draws, std::uint64_t row, std::uint32_t replicate) {
  const ThreefryKey key = weights_key(draws);
  if (draws.distribution->uniform_bits == 16) {
    const std::uint32_t word = weights_words(key, row, replicate / 8).word[replicate % 8 / 2];
    return alias_weight(kAlias16, replicate % 2 ? word >> 16 : word & 0xFFFF);
  }
  return alias_weight(kAlias32, weights_words(key, row, replicate / 4).word[replicate % 4]);
}

}  // namespace askew
