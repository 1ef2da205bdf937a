// Conjunctions of columns: storing them and listing their ones.

// A register of bits.
#if defined(__AVX512VPOPCNTDQ__)
struct Bits {
  using Register = __m512i;
  static constexpr std::int64_t words = 8;
  static Register load(const Word* p) { return _mm512_loadu_si512(p); }
  static void store(Word* p, Register x) { _mm512_storeu_si512(p, x); }
  static Register both(Register a, Register b) { return _mm512_and_si512(a, b); }
  // Writes the words that are not 0, and their positions if the first is at `first`; returns how many. May write 8 of
  // each.
  static std::int64_t nonzero(Register x, std::int64_t first, Word* found, std::uint16_t* positions) {
    const __mmask8 mask = _mm512_test_epi64_mask(x, x);
    const __m512i numbers = _mm512_add_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(first));
    _mm512_storeu_si512(found, _mm512_maskz_compress_epi64(mask, x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(positions),
                     _mm512_maskz_cvtepi64_epi16(0xFF, _mm512_maskz_compress_epi64(mask, numbers)));
    return __builtin_popcount(mask);
  }
};
#elif defined(__AVX2__)
struct Bits {
  using Register = __m256i;
  static constexpr std::int64_t words = 4;
  static Register load(const Word* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(Word* p, Register x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  static Register both(Register a, Register b) { return _mm256_and_si256(a, b); }
  static std::int64_t nonzero(Register x, std::int64_t first, Word* found, std::uint16_t* positions) {
    Word w[4];
    store(w, x);
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      found[n] = w[i];
      positions[n] = static_cast<std::uint16_t>(first + i);
      n += w[i] != 0;
    }
    return n;
  }
};
#else
struct Bits {
  using Register = Word;
  static constexpr std::int64_t words = 1;
  static Register load(const Word* p) { return *p; }
  static void store(Word* p, Register x) { *p = x; }
  static Register both(Register a, Register b) { return a & b; }
  static std::int64_t nonzero(Register x, std::int64_t first, Word* found, std::uint16_t* positions) {
    *found = x;
    *positions = static_cast<std::uint16_t>(first);
    return x != 0;
  }
};
#endif

inline Bits::Register conjunction(const Word* const* columns, std::int64_t k, std::int64_t word) {
  Bits::Register x = Bits::load(columns[0] + word);
  for (std::int64_t j = 1; j < k; ++j) x = Bits::both(x, Bits::load(columns[j] + word));
  return x;
}

// Ranges are whole multiples of 8 words, so that every level's register divides them.
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

// What becomes of the positions that are listed.
struct AsTheyAre {
  static Halves of(Halves positions) { return positions; }
};

typedef Halves Positions __attribute__((aligned(2), may_alias));

template <class Finish>
inline void finish(std::int64_t n, std::uint16_t* out) {
  if constexpr (std::is_same_v<Finish, AsTheyAre>) return;
  for (std::int64_t i = 0; i < n; i += kVectorBytes / 2) {
    Positions* const at = reinterpret_cast<Positions*>(out + i);
    *at = Finish::of(*at);
  }
}

// First the words that are not 0, then their ones: neither needs a branch that is hard to predict.
template <class Finish>
std::int64_t ones_of_few_words(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                               std::uint16_t* out) {
  Word words[kMaxOnesWords + 8];
  std::uint16_t numbers[kMaxOnesWords + 8];
  std::int64_t n_found = 0;
  for (std::int64_t word = 0; word < n_words; word += Bits::words) {
    __builtin_prefetch(columns[k] + begin + word);
    n_found += Bits::nonzero(conjunction(columns, k, begin + word), word, words + n_found, numbers + n_found);
  }
  std::uint16_t* end = out;
  for (std::int64_t i = 0; i < n_found; ++i)
    end += ones_of_word(words[i], static_cast<std::uint16_t>(numbers[i] * kWordBits), end);
  finish<Finish>(end - out, out);
  return end - out;
}

#if defined(__AVX512VPOPCNTDQ__)
struct AllBytes {
  alignas(64) std::uint8_t bytes[256];
};

constexpr AllBytes all_bytes() {
  AllBytes all{};
  for (int i = 0; i < 256; ++i) all.bytes[i] = static_cast<std::uint8_t>(i);
  return all;
}

constexpr AllBytes kAllBytes = all_bytes();

// Where most words have ones: the lower bytes of their positions, and the upper ones, which four words have in common.
// They are put together when many are there, for a load that follows narrower stores too soon has to wait.
template <class Finish>
std::int64_t ones_of_all_words(const Word* words, std::int64_t n_words, std::uint16_t* out) {
  constexpr std::int64_t kWordsAtATime = 128, kMost = kWordsAtATime * kWordBits;
  std::uint8_t lower[kMost + 64], upper[kMost + 256];
  __m512i positions[4], number = _mm512_setzero_si512();
  for (int i = 0; i < 4; ++i) positions[i] = _mm512_load_si512(kAllBytes.bytes + 64 * i);
  std::uint16_t* const begin = out;
  for (std::int64_t first = 0; first < n_words; first += kWordsAtATime) {
    const std::int64_t n_left = n_words - first, n_here = n_left < kWordsAtATime ? n_left : kWordsAtATime;
    std::int64_t n = 0;
    for (std::int64_t word = first; word < first + n_here; word += 4) {
      std::int64_t begins[4], end = n;
      __m512i found[4];
      for (int i = 0; i < 4; ++i) {
        begins[i] = end;
        end += __builtin_popcountll(words[word + i]);
        found[i] = _mm512_maskz_compress_epi8(words[word + i], positions[i]);
      }
      if (end - n <= 32) {  // narrow stores seldom cross a cache line
        for (int i = 0; i < 4; ++i)
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(lower + begins[i]), _mm512_castsi512_si256(found[i]));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(upper + n), _mm512_castsi512_si256(number));
      } else {
        for (int i = 0; i < 4; ++i) {
          _mm512_storeu_si512(lower + begins[i], found[i]);
          _mm512_storeu_si512(upper + n + 64 * i, number);
        }
      }
      n = end;
      number = _mm512_add_epi8(number, _mm512_set1_epi8(1));
    }
    for (std::int64_t i = 0; i < n; i += 64)  // two at a time: fewer ends of the loop to foresee
      for (std::int64_t j = i; j < i + 64; j += 32) {
        const auto bytes = [j](const std::uint8_t* from) {
          return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + j)));
        };
        const __m512i all = _mm512_or_si512(bytes(lower), _mm512_slli_epi16(bytes(upper), 8));
        _mm512_storeu_si512(out + j, reinterpret_cast<__m512i>(Finish::of(reinterpret_cast<Halves>(all))));
      }
    out += n;
  }
  return out - begin;
}

template <class Finish>
std::int64_t ones_as(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                     std::uint16_t* out) {
  const __m512i first = n_words > 0 ? conjunction(columns, k, begin) : _mm512_setzero_si512();
  if (__builtin_popcount(_mm512_test_epi64_mask(first, first)) <= 4)
    return ones_of_few_words<Finish>(columns, k, begin, n_words, out);
  alignas(64) Word both[kMaxOnesWords];
  if (k > 1) and_columns(columns, k, begin, n_words, both);
  for (std::int64_t word = 0; word < n_words; word += 8) __builtin_prefetch(columns[k] + begin + word);
  return ones_of_all_words<Finish>(k > 1 ? both : columns[0] + begin, n_words, out);
}
#else
template <class Finish>
std::int64_t ones_as(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                     std::uint16_t* out) {
  return ones_of_few_words<Finish>(columns, k, begin, n_words, out);
}
#endif

std::int64_t ones_of(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                     std::uint16_t* out) {
  return ones_as<AsTheyAre>(columns, k, begin, n_words, out);
}
