// Counting the ones of conjunctions, several that share columns at a time: a column that is loaded once takes part in
// as many conjunctions as there are registers for their totals.

#if defined(__AVX512VPOPCNTDQ__)
// What is left per conjunction is an AND, a population count and an addition: 1.5 cycles on the two ports that execute
// them.
inline __m512i add_ones(__m512i total, __m512i x) { return _mm512_add_epi64(total, _mm512_popcnt_epi64(x)); }

template <int kRows, int kTails>
void count_tile_of(const Word* const* rows, const Word* const* tails, std::int64_t n_words, std::int64_t* counts,
                   std::int64_t stride) {
  const Word *row[kRows], *tail[kTails];
  for (int r = 0; r < kRows; ++r) row[r] = rows[r];
  for (int t = 0; t < kTails; ++t) tail[t] = tails[t];
  __m512i total[kRows][kTails] = {};
  for (std::int64_t word = 0; word < n_words; word += 8) {
    __m512i y[kTails];
    for (int t = 0; t < kTails; ++t) y[t] = _mm512_loadu_si512(tail[t] + word);
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = _mm512_loadu_si512(row[r] + word);
      for (int t = 0; t < kTails; ++t) total[r][t] = add_ones(total[r][t], _mm512_and_si512(x, y[t]));
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTails; ++t) counts[stride * r + t] += _mm512_reduce_add_epi64(total[r][t]);
}

template <int kPrefix, int kTails>
void count_extensions_of(const Word* const* prefix, const Word* const* tails, std::int64_t n_words,
                         std::int64_t* counts) {
  const Word *column[kPrefix], *tail[kTails];
  for (int j = 0; j < kPrefix; ++j) column[j] = prefix[j];
  for (int t = 0; t < kTails; ++t) tail[t] = tails[t];
  __m512i total[kTails] = {};
  for (std::int64_t word = 0; word < n_words; word += 8) {
    __m512i x = _mm512_loadu_si512(column[0] + word);
    for (int j = 1; j < kPrefix; ++j) x = _mm512_and_si512(x, _mm512_loadu_si512(column[j] + word));
    for (int t = 0; t < kTails; ++t)
      total[t] = add_ones(total[t], _mm512_and_si512(x, _mm512_loadu_si512(tail[t] + word)));
  }
  for (int t = 0; t < kTails; ++t) counts[t] += _mm512_reduce_add_epi64(total[t]);
}

template <int kRows>
void count_rows(const Word* const* rows, const Word* const* tails, int n_tails, std::int64_t n_words,
                std::int64_t* counts, std::int64_t stride) {
  switch (n_tails) {
    case 1: return count_tile_of<kRows, 1>(rows, tails, n_words, counts, stride);
    case 2: return count_tile_of<kRows, 2>(rows, tails, n_words, counts, stride);
    case 3: return count_tile_of<kRows, 3>(rows, tails, n_words, counts, stride);
    default: return count_tile_of<kRows, 4>(rows, tails, n_words, counts, stride);
  }
}

void count_tile(const Word* const* rows, int n_rows, const Word* const* tails, int n_tails, std::int64_t n_words,
                std::int64_t* counts, std::int64_t stride) {
  switch (n_rows) {
    case 1: return count_rows<1>(rows, tails, n_tails, n_words, counts, stride);
    case 2: return count_rows<2>(rows, tails, n_tails, n_words, counts, stride);
    case 3: return count_rows<3>(rows, tails, n_tails, n_words, counts, stride);
    default: return count_rows<4>(rows, tails, n_tails, n_words, counts, stride);
  }
}

template <int kPrefix>
void count_tails(const Word* const* prefix, const Word* const* tails, int n_tails, std::int64_t n_words,
                 std::int64_t* counts) {
  switch (n_tails) {
    case 1: return count_extensions_of<kPrefix, 1>(prefix, tails, n_words, counts);
    case 2: return count_extensions_of<kPrefix, 2>(prefix, tails, n_words, counts);
    case 3: return count_extensions_of<kPrefix, 3>(prefix, tails, n_words, counts);
    default: return count_extensions_of<kPrefix, 4>(prefix, tails, n_words, counts);
  }
}

constexpr std::int64_t kMaxPrefix = 4;

void count_short(const Word* const* prefix, std::int64_t k, const Word* const* tails, int n_tails,
                 std::int64_t n_words, std::int64_t* counts) {
  switch (k) {
    case 1: return count_tails<1>(prefix, tails, n_tails, n_words, counts);
    case 2: return count_tails<2>(prefix, tails, n_tails, n_words, counts);
    case 3: return count_tails<3>(prefix, tails, n_tails, n_words, counts);
    default: return count_tails<4>(prefix, tails, n_tails, n_words, counts);
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

void count_tile(const Word* const* rows, int n_rows, const Word* const* tails, int n_tails, std::int64_t n_words,
                std::int64_t* counts, std::int64_t stride) {
  for (int r = 0; r < n_rows; ++r)
    for (int t = 0; t < n_tails; ++t) counts[stride * r + t] += count_both(rows[r], tails[t], n_words);
}

constexpr std::int64_t kMaxPrefix = 1;

void count_short(const Word* const* prefix, std::int64_t, const Word* const* tails, int n_tails, std::int64_t n_words,
                 std::int64_t* counts) {
  count_tile(prefix, 1, tails, n_tails, n_words, counts, 0);
}
#endif

// A prefix of more columns than there are loops for is first put together, piece by piece within the L1 cache.
void count_extensions(const Word* const* prefix, std::int64_t k, const Word* const* tails, int n_tails,
                      std::int64_t begin, std::int64_t n_words, std::int64_t* counts) {
  constexpr std::int64_t kPiece = 512;
  const std::int64_t step = k > kMaxPrefix ? kPiece : n_words;
  for (std::int64_t word = begin; word < begin + n_words; word += step) {
    const std::int64_t here = begin + n_words - word < step ? begin + n_words - word : step;
    const Word *columns[kMaxPrefix], *last[kTile];
    Word conjunction[kPiece];
    for (int t = 0; t < n_tails; ++t) last[t] = tails[t] + word;
    if (k > kMaxPrefix) {
      and_columns(prefix, k, word, here, conjunction);
      columns[0] = conjunction;
      count_short(columns, 1, last, n_tails, here, counts);
    } else {
      for (std::int64_t j = 0; j < k; ++j) columns[j] = prefix[j] + word;
      count_short(columns, k, last, n_tails, here, counts);
    }
  }
}
