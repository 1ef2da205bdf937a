// Multinomial weights: Poisson weights of the units of a stratum, to which units are added, or from which they are
// taken, until the stratum has as many as in the sample. python/askew/engine/multinomial.py states it in words.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"
#include "core/threefry.hpp"
#include "core/weights.hpp"

namespace askew {

constexpr std::uint32_t kBalanceStream = 3;  // fourth word of the generator's key
constexpr std::uint32_t kCopies = 8;         // of a unit that a proposal may name: its largest Poisson weight
static_assert(kPoisson16.n_outcomes - 1 == kCopies, "every copy of a unit is proposed as often as any other");

ASKEW_INLINE ThreefryKey balance_key(const Draws& draws) {
  return threefry_key(static_cast<std::uint32_t>(draws.seed), static_cast<std::uint32_t>(draws.seed >> 32), draws.table,
                      kBalanceStream);
}

// Which of the n < 2^32 units of a stratum a proposal names: floor(u * n / 2^64), u being its first two words.
ASKEW_INLINE std::uint32_t proposed_unit(std::uint32_t low, std::uint32_t high, std::uint64_t n) {
  return static_cast<std::uint32_t>((high * n + (low * n >> 32)) >> 32);
}

}  // namespace askew
