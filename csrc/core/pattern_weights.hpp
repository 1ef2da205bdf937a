// The bootstrap weight of a distinct row that c instances share: one Poisson(c) variable, as a sum over the bits of c.
// python/askew/engine/pattern_weights.py states it in words, and makes the tables.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"
#include "core/threefry.hpp"

namespace askew {

constexpr std::uint32_t kPatternStream = 2;  // fourth word of the generator's key
constexpr int kTopBit = 16;                  // Poisson(2^16) is the largest that has a table
constexpr int kGuideBits = 10;

// Inverse distribution function of Poisson(2^bit): `first` plus the number of thresholds that are not above the
// uniform.
struct PoissonTable {
  std::int64_t first;
  const std::uint32_t* thresholds;  // ascending
  std::int64_t size;
  std::uint16_t guide[1 << kGuideBits];  // how many thresholds are not above the least uniform with these leading bits
};

ASKEW_INLINE std::int64_t poisson_draw(const PoissonTable& table, std::uint32_t uniform) {
  std::int64_t i = table.guide[uniform >> (32 - kGuideBits)];
  while (i < table.size && table.thresholds[i] <= uniform) ++i;
  return table.first + i;
}

ASKEW_INLINE ThreefryKey pattern_key(std::uint64_t seed, std::uint32_t table) {
  return threefry_key(static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32), table, kPatternStream);
}

}  // namespace askew
