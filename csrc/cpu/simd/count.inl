// Counting the ones of conjunctions, several that share columns at a time: a column that is loaded once takes part in
// as many conjunctions as there are registers for their totals.

#if defined(__AVX512VPOPCNTDQ__)
// Adds the sum of the lanes of each total to a count of its own: totals are folded two by two until one register holds
// the sums of eight.
inline __m512i fold_words(__m512i a, __m512i b) {
  return _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

inline __m512i fold_lanes(__m512i a, __m512i b) {
  return _mm512_add_epi64(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xDD));
}

template <int kTotals>
__attribute__((always_inline)) inline void add_totals(const __m512i* total, std::int64_t* counts) {
  for (int i = 0; i < kTotals; i += 8) {
    const int n = kTotals - i < 8 ? kTotals - i : 8;  // where there is no other half, a register is folded with itself
    __m512i x[8];
    for (int j = 0; j < n; j += 2) x[j / 2] = fold_words(total[i + j], total[i + (j + 1 < n ? j + 1 : j)]);
    for (int j = 0; j < n; j += 4) x[j / 4] = fold_lanes(x[j / 2], x[j + 2 < n ? j / 2 + 1 : j / 2]);
    const __m512i sums = fold_lanes(x[0], x[n > 4 ? 1 : 0]);
    const auto asked = static_cast<__mmask8>((1 << n) - 1);
    _mm512_mask_storeu_epi64(counts + i, asked, _mm512_add_epi64(sums, _mm512_maskz_loadu_epi64(asked, counts + i)));
  }
}

// What is left per conjunction is an AND, a population count and an addition: 1.5 cycles on the two ports that execute
// them.
template <int kPrefix, int kRows, int kTails>
void count_tile_of(const Word* const* prefix, const Word* const* rows, const Word* const* tails, std::int64_t n_words,
                   std::int64_t* counts, std::int64_t stride, const Word* next) {
  const Word *column[kPrefix + 1], *row[kRows], *tail[kTails];
  for (int j = 0; j < kPrefix; ++j) column[j] = prefix[j];
  for (int r = 0; r < kRows; ++r) row[r] = rows[r];
  for (int t = 0; t < kTails; ++t) tail[t] = tails[t];
  __m512i total[kRows][kTails] = {};
  for (std::int64_t word = 0; word < n_words; word += 8) {
    __builtin_prefetch(next + word, 0, 2);
    __m512i y[kTails];
    for (int t = 0; t < kTails; ++t) y[t] = _mm512_loadu_si512(tail[t] + word);
    __m512i all = _mm512_set1_epi64(-1);
    for (int j = 0; j < kPrefix; ++j) all = _mm512_and_si512(all, _mm512_loadu_si512(column[j] + word));
    for (int r = 0; r < kRows; ++r) {
      __m512i x = _mm512_loadu_si512(row[r] + word);
      if (kPrefix > 0) x = _mm512_and_si512(x, all);
      for (int t = 0; t < kTails; ++t)
        total[r][t] = _mm512_add_epi64(total[r][t], _mm512_popcnt_epi64(_mm512_and_si512(x, y[t])));
    }
  }
  if (stride == kTails || kRows == 1) return add_totals<kRows * kTails>(total[0], counts);
  for (int r = 0; r < kRows; ++r) add_totals<kTails>(total[r], counts + stride * r);
}

template <int kPrefix, int kRows>
void count_rows_of(const Word* const* prefix, const Word* const* rows, const Word* const* tails, int n_tails,
                   std::int64_t n_words, std::int64_t* counts, std::int64_t stride, const Word* next) {
  switch (n_tails) {
    case 1: return count_tile_of<kPrefix, kRows, 1>(prefix, rows, tails, n_words, counts, stride, next);
    case 2: return count_tile_of<kPrefix, kRows, 2>(prefix, rows, tails, n_words, counts, stride, next);
    case 3: return count_tile_of<kPrefix, kRows, 3>(prefix, rows, tails, n_words, counts, stride, next);
    default: return count_tile_of<kPrefix, kRows, 4>(prefix, rows, tails, n_words, counts, stride, next);
  }
}

template <int kPrefix>
void count_prefix_of(const Word* const* prefix, const Word* const* rows, int n_rows, const Word* const* tails,
                     int n_tails, std::int64_t n_words, std::int64_t* counts, std::int64_t stride, const Word* next) {
  switch (n_rows) {
    case 1: return count_rows_of<kPrefix, 1>(prefix, rows, tails, n_tails, n_words, counts, stride, next);
    case 2: return count_rows_of<kPrefix, 2>(prefix, rows, tails, n_tails, n_words, counts, stride, next);
    case 3: return count_rows_of<kPrefix, 3>(prefix, rows, tails, n_tails, n_words, counts, stride, next);
    default: return count_rows_of<kPrefix, 4>(prefix, rows, tails, n_tails, n_words, counts, stride, next);
  }
}

constexpr std::int64_t kMaxPrefix = 3;

void count_short(const Word* const* prefix, std::int64_t k, const Word* const* rows, int n_rows,
                 const Word* const* tails, int n_tails, std::int64_t n_words, std::int64_t* counts, std::int64_t stride,
                 const Word* next) {
  switch (k) {
    case 0: return count_prefix_of<0>(prefix, rows, n_rows, tails, n_tails, n_words, counts, stride, next);
    case 1: return count_prefix_of<1>(prefix, rows, n_rows, tails, n_tails, n_words, counts, stride, next);
    case 2: return count_prefix_of<2>(prefix, rows, n_rows, tails, n_tails, n_words, counts, stride, next);
    default: return count_prefix_of<3>(prefix, rows, n_rows, tails, n_tails, n_words, counts, stride, next);
  }
}
#else
// Without an instruction that counts ones: carry-save adders, which leave one population count for 16 registers (Muła,
// Kurz & Lemire, "Faster population counts using AVX2 instructions", 2018). They take the registers that totals would.
inline void carry_save(Words& high, Words& low, const Words a, const Words b) {
  const Words half = low ^ a;
  high = (low & a) | (half & b);
  low = half ^ b;
}

inline Words ones_in_words(Words x) {
  x -= (x >> 1) & 0x5555555555555555ull;
  x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
  x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Full;
  x += x >> 8;
  x += x >> 16;
  return (x + (x >> 32)) & 0x7F;
}

inline Words load_both(const Word* row, const Word* tail) {
  Words x, y;
  std::memcpy(&x, row, kVectorBytes);
  std::memcpy(&y, tail, kVectorBytes);
  return x & y;
}

std::int64_t count_both(const Word* row, const Word* tail, std::int64_t n_words) {
  Words ones = {}, twos = {}, fours = {}, eights = {}, total = {};
  std::int64_t word = 0;
  for (; word + 16 * kWordLanes <= n_words; word += 16 * kWordLanes) {
    Words two[2], four[2], eight[2], sixteen;
    for (int e = 0; e < 2; ++e) {
      for (int f = 0; f < 2; ++f) {
        for (int t = 0; t < 2; ++t) {
          const std::int64_t a = word + (8 * e + 4 * f + 2 * t) * kWordLanes, b = a + kWordLanes;
          carry_save(two[t], ones, load_both(row + a, tail + a), load_both(row + b, tail + b));
        }
        carry_save(four[f], twos, two[0], two[1]);
      }
      carry_save(eight[e], fours, four[0], four[1]);
    }
    carry_save(sixteen, eights, eight[0], eight[1]);
    total += ones_in_words(sixteen);
  }
  if (word > 0) {
    total = 16 * total + 8 * ones_in_words(eights) + 4 * ones_in_words(fours);
    total += 2 * ones_in_words(twos) + ones_in_words(ones);
  }
  for (; word < n_words; word += kWordLanes) total += ones_in_words(load_both(row + word, tail + word));
  std::int64_t sum = 0;
  for (int lane = 0; lane < kWordLanes; ++lane) sum += static_cast<std::int64_t>(total[lane]);
  return sum;
}

constexpr std::int64_t kMaxPrefix = 0;

void count_short(const Word* const*, std::int64_t, const Word* const* rows, int n_rows, const Word* const* tails,
                 int n_tails, std::int64_t n_words, std::int64_t* counts, std::int64_t stride, const Word* next) {
  for (std::int64_t word = 0; word < n_words; word += 8) __builtin_prefetch(next + word, 0, 2);
  for (int r = 0; r < n_rows; ++r)
    for (int t = 0; t < n_tails; ++t) counts[stride * r + t] += count_both(rows[r], tails[t], n_words);
}
#endif

// Longer prefixes than there are loops for are first joined with the rows, piece by piece within the L1 cache.
void count_tile(const Word* const* prefix, std::int64_t k, const Word* const* rows, int n_rows,
                const Word* const* tails, int n_tails, std::int64_t n_words, std::int64_t* counts, std::int64_t stride,
                const Word* next) {
  if (next == nullptr) next = tails[0];
  if (k <= kMaxPrefix) return count_short(prefix, k, rows, n_rows, tails, n_tails, n_words, counts, stride, next);
  constexpr std::int64_t kPiece = 256;
  Word joined[kTile][kPiece], conjunction[kPiece];
  for (std::int64_t word = 0; word < n_words; word += kPiece) {
    const std::int64_t n_here = n_words - word < kPiece ? n_words - word : kPiece;
    const Word *join[kTile], *ends[kTile];
    and_columns(prefix, k, word, n_here, conjunction);
    for (int r = 0; r < n_rows; ++r) {
      for (std::int64_t i = 0; i < n_here; i += Bits::words)
        Bits::store(joined[r] + i, Bits::both(Bits::load(conjunction + i), Bits::load(rows[r] + word + i)));
      join[r] = joined[r];
    }
    for (int t = 0; t < n_tails; ++t) ends[t] = tails[t] + word;
    count_short(nullptr, 0, join, n_rows, ends, n_tails, n_here, counts, stride, next + word);
  }
}
