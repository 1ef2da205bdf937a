// What balancing the strata of a table takes: sums of weights, and proposals of units.

// Of members[0] … members[n - 1], or of the units first … first + n - 1 where there are no members.
void total_weights(const Draws& draws, const std::uint32_t* members, std::uint64_t first, std::int64_t n,
                   std::uint32_t block, std::uint64_t* totals) {
  const WeightGenerator draw{weights_key(draws), {}, block, draws.distribution->uniform_bits};
  const int rows_per_flush = 255 / (draws.distribution->n_outcomes - 1);
  constexpr int kMaxFlushes = 65535 / 255;
  alignas(64) std::uint8_t weights[kBlockReplicates];
  for (std::int64_t i = 0; i < n;) {
    Widened widened;
    for (int flush = 0; flush < kMaxFlushes && i < n; ++flush) {
      Bytes sum[kBlockVectors] = {};
      for (int row = 0; row < rows_per_flush && i < n; ++row, ++i) {
        draw(members == nullptr ? first + static_cast<std::uint64_t>(i) : members[i], weights);
        for (int v = 0; v < kBlockVectors; ++v) sum[v] += reinterpret_cast<const Bytes*>(weights)[v];
      }
      widened.add(sum);
    }
    std::uint16_t halves[kBlockReplicates];
    std::memcpy(halves, widened.even, kBlockReplicates);
    std::memcpy(halves + kBlockReplicates / 2, widened.odd, kBlockReplicates);
    for (int r = 0; r < kBlockReplicates; ++r) totals[r] += halves[lane16_of(r)];
  }
}

// Proposals first … first + kProposals - 1 of a stratum of n units: the unit's place in the stratum, and its copy.
void propose(const ThreefryKey& key, std::uint32_t stratum, std::uint64_t n, std::uint32_t replicate,
             std::uint32_t first, std::uint32_t* places, std::uint8_t* copies) {
  constexpr std::uint32_t kLanes = kVectorBytes / 4;
  const Lanes zero = {};
  for (std::uint32_t l = 0; l < kProposals; l += kLanes) {
    const Threefry4<Lanes> x = threefry4x32<kThreefryRounds>(
        Threefry4<Lanes>{{lane_numbers() + (first + l), zero + stratum, zero + replicate, zero}}, key);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      places[l + lane] = proposed_unit(x.word[0][lane], x.word[1][lane], n);
      copies[l + lane] = static_cast<std::uint8_t>(x.word[2][lane] % kCopies);
    }
  }
}

// The 16-bit weights of kProposals units in a replicate.
void weights_of(const Draws& draws, const std::uint32_t* units, std::uint32_t replicate, std::uint8_t* weights) {
  constexpr std::uint32_t kLanes = kVectorBytes / 4;
  const ThreefryKey key = weights_key(draws);
  const Lanes zero = {};
  for (std::uint32_t l = 0; l < kProposals; l += kLanes) {
    Lanes unit;
    std::memcpy(&unit, units + l, kVectorBytes);
    const Lanes word = threefry4x32<kThreefryRounds>(Threefry4<Lanes>{{unit, zero, zero + replicate / 8, zero}}, key)
                           .word[replicate % 8 / 2] >>
                       (replicate % 2 * 16);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) weights[l + lane] = alias_weight(kAlias16, word[lane] & 0xFFFF);
  }
}
