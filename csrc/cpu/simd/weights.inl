// Bootstrap weights, as many at a time as fit a register.

// Walker's table for 16-bit uniforms, as registers. bound = (cut - 1) * 16 + column: a uniform at or below it takes the
// first weight.
#if defined(__AVX512VPOPCNTDQ__)
struct Alias16 {
  __m512i bound, first, second;
  Alias16() {
    alignas(64) std::uint16_t b[32], f[32], s[32];
    for (unsigned i = 0; i < 32; ++i) {  // vpermw looks at five bits of the index, the table at four: hence twice
      const unsigned column = i % kAliasColumns;
      b[i] = static_cast<std::uint16_t>((kAlias16.cut[column] - 1) * kAliasColumns + column);
      f[i] = kAlias16.first[column];
      s[i] = kAlias16.second[column];
    }
    bound = _mm512_load_si512(b);
    first = _mm512_load_si512(f);
    second = _mm512_load_si512(s);
  }
  Halves operator()(Halves uniform) const {
    const __m512i u = reinterpret_cast<__m512i>(uniform);
    const __mmask32 takes_first = _mm512_cmple_epu16_mask(u, _mm512_permutexvar_epi16(u, bound));
    return reinterpret_cast<Halves>(
        _mm512_mask_permutexvar_epi16(_mm512_permutexvar_epi16(u, second), takes_first, u, first));
  }
};
#elif defined(__AVX2__)
struct Alias16 {
  __m256i bound_low, bound_high, first, second;
  Alias16() {
    alignas(32) std::uint8_t bl[32], bh[32], f[32], s[32];
    for (unsigned i = 0; i < 32; ++i) {
      const unsigned column = i % kAliasColumns, b = (kAlias16.cut[column] - 1) * kAliasColumns + column;
      bl[i] = static_cast<std::uint8_t>(b);
      bh[i] = static_cast<std::uint8_t>(b >> 8);
      f[i] = kAlias16.first[column];
      s[i] = kAlias16.second[column];
    }
    bound_low = _mm256_load_si256(reinterpret_cast<const __m256i*>(bl));
    bound_high = _mm256_load_si256(reinterpret_cast<const __m256i*>(bh));
    first = _mm256_load_si256(reinterpret_cast<const __m256i*>(f));
    second = _mm256_load_si256(reinterpret_cast<const __m256i*>(s));
  }
  Halves operator()(Halves uniform) const {
    const __m256i u = reinterpret_cast<__m256i>(uniform);
    const __m256i column = _mm256_and_si256(u, _mm256_set1_epi16(0x000F));
    // an index with its top bit set looks up 0
    const __m256i low = _mm256_or_si256(column, _mm256_set1_epi16(static_cast<short>(0x8000)));
    const __m256i high = _mm256_or_si256(_mm256_slli_epi16(column, 8), _mm256_set1_epi16(0x0080));
    const __m256i bound = _mm256_or_si256(_mm256_shuffle_epi8(bound_low, low), _mm256_shuffle_epi8(bound_high, high));
    const __m256i takes_first = _mm256_cmpeq_epi16(_mm256_min_epu16(u, bound), u);
    return reinterpret_cast<Halves>(
        _mm256_blendv_epi8(_mm256_shuffle_epi8(second, low), _mm256_shuffle_epi8(first, low), takes_first));
  }
};
#else
// Without a look-up among the lanes of a register: one in memory, of every uniform.
struct WeightTable {
  std::uint8_t of[1 << 16];
};

constexpr WeightTable weight_table() {
  WeightTable table{};
  for (std::uint32_t uniform = 0; uniform < 1 << 16; ++uniform) table.of[uniform] = alias_weight(kAlias16, uniform);
  return table;
}

constexpr WeightTable kWeights16 = weight_table();

struct Alias16 {
  Halves operator()(Halves uniform) const {
    Halves weight = {};
    for (unsigned i = 0; i < kVectorBytes / 2; ++i) weight[i] = kWeights16.of[uniform[i]];
    return weight;
  }
};
#endif

inline Lanes lane_numbers() {
  Lanes lanes = {};
  for (unsigned i = 0; i < kVectorBytes / 4; ++i) lanes[i] = i;
  return lanes;
}

// What does not change from row to row.
struct WeightGenerator {
  ThreefryKey key;
  Alias16 alias;
  std::uint32_t block;
  int uniform_bits;

  // The weights of a row in the block's replicates, in the order of lane_of.
  void operator()(std::uint64_t row, std::uint8_t* out) const {
    if (uniform_bits == 16)
      from_16_bits(row, out);
    else
      from_32_bits(row, out);
  }

  void from_16_bits(std::uint64_t row, std::uint8_t* out) const {
    constexpr std::uint32_t kCounters = kBlockReplicates / 8, kLanes = kVectorBytes / 4;
    const Lanes zero = {};
    for (std::uint32_t l = 0; l < kCounters; l += kLanes) {
      const Lanes low = zero + static_cast<std::uint32_t>(row), high = zero + static_cast<std::uint32_t>(row >> 32);
      const Lanes counter = lane_numbers() + (block * kCounters + l);
      const Threefry4<Lanes> x = threefry4x32<kThreefryRounds>(Threefry4<Lanes>{{low, high, counter, zero}}, key);
      Halves w[4];
      for (int i = 0; i < 4; ++i) w[i] = alias(reinterpret_cast<Halves>(x.word[i]));
      const Halves even = w[0] | (w[1] << 8), odd = w[2] | (w[3] << 8);
      std::memcpy(out + 4 * l, &even, kVectorBytes);
      std::memcpy(out + kBlockReplicates / 2 + 4 * l, &odd, kVectorBytes);
    }
  }

  void from_32_bits(std::uint64_t row, std::uint8_t* out) const {
    constexpr std::uint32_t kCounters = kBlockReplicates / 4;
    for (std::uint32_t counter = 0; counter < kCounters; ++counter) {
      const Threefry4<std::uint32_t> x = weights_words(key, row, block * kCounters + counter);
      for (unsigned i = 0; i < 4; ++i)
        out[lane_of(static_cast<int>(4 * counter + i))] = alias_weight(kAlias32, x.word[i]);
    }
  }
};

void uniforms(const ThreefryKey& key, std::uint64_t pattern, std::uint32_t draw, std::uint32_t block,
              std::uint32_t* out) {
  constexpr std::uint32_t kCounters = kBlockReplicates / 4, kLanes = kVectorBytes / 4;
  const Lanes zero = {};
  const Lanes low = zero + static_cast<std::uint32_t>(pattern), high = zero + static_cast<std::uint32_t>(pattern >> 32);
  for (std::uint32_t l = 0; l < kCounters; l += kLanes) {
    const Lanes counter = lane_numbers() + (block * kCounters + l);
    const Threefry4<Lanes> x = threefry4x32<kThreefryRounds>(Threefry4<Lanes>{{low, high, counter, zero + draw}}, key);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane)
      for (std::uint32_t i = 0; i < 4; ++i) out[4 * (l + lane) + i] = x.word[i][lane];
  }
}
