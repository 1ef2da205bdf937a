// Conjunctions of columns: counting, storing and listing their ones.

// A register of bits: how to load it and how to add its ones to a counter.
#if defined(__AVX512VPOPCNTDQ__)
struct Bits {
  using Register = __m512i;
  static constexpr std::int64_t words = 8;
  static Register zero() { return _mm512_setzero_si512(); }
  static Register load(const Word* p) { return _mm512_loadu_si512(p); }
  static void store(Word* p, Register x) { _mm512_storeu_si512(p, x); }
  static Register both(Register a, Register b) { return _mm512_and_si512(a, b); }
  // Writes the words that are not 0, and their positions if the first is at `first`; returns how many. May write 8 of
  // each.
  static std::int64_t nonzero(Register x, std::int64_t first, Word* words, std::uint16_t* positions) {
    const __mmask8 mask = _mm512_test_epi64_mask(x, x);
    const __m512i numbers = _mm512_add_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(first));
    _mm512_storeu_si512(words, _mm512_maskz_compress_epi64(mask, x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(positions),
                     _mm512_cvtepi64_epi16(_mm512_maskz_compress_epi64(mask, numbers)));
    return __builtin_popcount(mask);
  }
  static Register add_ones(Register total, Register x) { return _mm512_add_epi64(total, _mm512_popcnt_epi64(x)); }
  static std::int64_t sum(Register total) { return _mm512_reduce_add_epi64(total); }
};
#elif defined(__AVX2__)
// Population count by a table of nibbles (Muła, Kurz & Lemire, "Faster population counts using AVX2 instructions",
// 2018).
struct Bits {
  using Register = __m256i;
  static constexpr std::int64_t words = 4;
  static Register zero() { return _mm256_setzero_si256(); }
  static Register load(const Word* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(Word* p, Register x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  static Register both(Register a, Register b) { return _mm256_and_si256(a, b); }
  static std::int64_t nonzero(Register x, std::int64_t first, Word* words, std::uint16_t* positions) {
    Word w[4];
    store(w, x);
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      words[n] = w[i];
      positions[n] = static_cast<std::uint16_t>(first + i);
      n += w[i] != 0;
    }
    return n;
  }
  static Register add_ones(Register total, Register x) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2,
                                           2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0F);
    const __m256i ones = _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
                                         _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
    return _mm256_add_epi64(total, _mm256_sad_epu8(ones, _mm256_setzero_si256()));
  }
  static std::int64_t sum(Register total) {
    const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    return _mm_cvtsi128_si64(halves) + _mm_extract_epi64(halves, 1);
  }
};
#else
struct Bits {
  using Register = Word;
  static constexpr std::int64_t words = 1;
  static Register zero() { return 0; }
  static Register load(const Word* p) { return *p; }
  static void store(Word* p, Register x) { *p = x; }
  static Register both(Register a, Register b) { return a & b; }
  static std::int64_t nonzero(Register x, std::int64_t first, Word* words, std::uint16_t* positions) {
    *words = x;
    *positions = static_cast<std::uint16_t>(first);
    return x != 0;
  }
  static Register add_ones(Register total, Register x) { return total + static_cast<Word>(__builtin_popcountll(x)); }
  static std::int64_t sum(Register total) { return static_cast<std::int64_t>(total); }
};
#endif

inline Bits::Register conjunction(const Word* const* columns, std::int64_t k, std::int64_t word) {
  Bits::Register x = Bits::load(columns[0] + word);
  for (std::int64_t j = 1; j < k; ++j) x = Bits::both(x, Bits::load(columns[j] + word));
  return x;
}

// The number of columns as a constant, so that the pointers stay in registers and the loop unrolls.
template <int kColumns>
std::int64_t and_count_of(const Word* const* columns, std::int64_t begin, std::int64_t n_words) {
  const Word* column[kColumns];
  for (int j = 0; j < kColumns; ++j) column[j] = columns[j];
  Bits::Register even = Bits::zero(), odd = Bits::zero();
  const std::int64_t end = begin + n_words;
  std::int64_t word = begin;
  for (; word + 2 * Bits::words <= end; word += 2 * Bits::words) {
    even = Bits::add_ones(even, conjunction(column, kColumns, word));
    odd = Bits::add_ones(odd, conjunction(column, kColumns, word + Bits::words));
  }
  for (; word < end; word += Bits::words) even = Bits::add_ones(even, conjunction(column, kColumns, word));
  return Bits::sum(even) + Bits::sum(odd);
}

// Ranges are whole multiples of 8 words, so that every level's register divides them.
std::int64_t and_count(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words) {
  switch (k) {
    case 1: return and_count_of<1>(columns, begin, n_words);
    case 2: return and_count_of<2>(columns, begin, n_words);
    case 3: return and_count_of<3>(columns, begin, n_words);
    case 4: return and_count_of<4>(columns, begin, n_words);
    case 5: return and_count_of<5>(columns, begin, n_words);
  }
  Bits::Register total = Bits::zero();
  for (std::int64_t word = begin; word < begin + n_words; word += Bits::words)
    total = Bits::add_ones(total, conjunction(columns, k, word));
  return Bits::sum(total);
}

void and_columns(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words, Word* out) {
  for (std::int64_t word = 0; word < n_words; word += Bits::words)
    Bits::store(out + word, conjunction(columns, k, begin + word));
}

// Writes base + the position of each one of `word`, and possibly more after them; returns how many ones there are.
#if defined(__AVX512VPOPCNTDQ__)
inline std::int64_t ones_of_word(Word word, std::uint16_t base, std::uint16_t* out) {
  const __m512i low = _mm512_add_epi16(
      _mm512_set1_epi16(static_cast<short>(base)),
      _mm512_cvtepu8_epi16(_mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                            21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31)));
  const auto first = static_cast<__mmask32>(word), second = static_cast<__mmask32>(word >> 32);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi16(first, low));
  _mm512_storeu_si512(out + __builtin_popcount(first), _mm512_maskz_compress_epi16(second, high));
  return __builtin_popcountll(word);
}
#else
// Four at once, for most words that are not 0 have no more, and a loop with few turns is hard to predict.
inline std::int64_t ones_of_word(Word word, std::uint16_t base, std::uint16_t* out) {
  constexpr Word kTop = Word{1} << 63;  // stands in for a one when there is none left
  const std::int64_t n = __builtin_popcountll(word);
  for (std::int64_t i = 0; i < n; i += 4)
    for (std::int64_t j = i; j < i + 4; ++j) {
      out[j] = static_cast<std::uint16_t>(base + __builtin_ctzll(word | kTop));
      word &= word - 1;
    }
  return n;
}
#endif

// First the words that are not 0, then their ones: neither needs a branch that is hard to predict.
std::int64_t ones_of(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                     std::uint16_t* out) {
  Word words[kMaxOnesWords + 8];
  std::uint16_t positions[kMaxOnesWords + 8];
  std::int64_t n_found = 0;
  for (std::int64_t word = 0; word < n_words; word += Bits::words) {
    __builtin_prefetch(columns[k] + begin + word);
    n_found += Bits::nonzero(conjunction(columns, k, begin + word), word, words + n_found, positions + n_found);
  }
  std::uint16_t* end = out;
  for (std::int64_t i = 0; i < n_found; ++i)
    end += ones_of_word(words[i], static_cast<std::uint16_t>(positions[i] * kWordBits), end);
  return end - out;
}
