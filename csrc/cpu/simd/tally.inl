// Adding rows of bits column by column, in vertical counters: plane i holds bit i of the sums of all columns (Harley's
// carry-save adders, Warren, Hacker's Delight, section 5-1, along columns instead of words).

// Two rows, or the same plane of the sums of the first and of the second rows of all pairs.
#if defined(__AVX2__)
typedef Word RowPair __attribute__((vector_size(32)));

inline RowPair load_pair(const Word* first, const Word* second) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(first));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(second));
  return reinterpret_cast<RowPair>(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
}
#else
struct RowPair {
  Words first, second;
};

inline RowPair operator&(const RowPair& a, const RowPair& b) { return {a.first & b.first, a.second & b.second}; }
inline RowPair operator|(const RowPair& a, const RowPair& b) { return {a.first | b.first, a.second | b.second}; }
inline RowPair operator^(const RowPair& a, const RowPair& b) { return {a.first ^ b.first, a.second ^ b.second}; }

inline RowPair load_pair(const Word* first, const Word* second) { return {load_words(first), load_words(second)}; }
#endif

// low + a + b = low + 2 carry
inline RowPair add_pairs(RowPair& low, const RowPair& a, const RowPair& b) {
#if defined(__AVX512VPOPCNTDQ__)
  constexpr int kOdd = 0x96, kMost = 0xE8;
  const auto x = reinterpret_cast<__m256i>(low), y = reinterpret_cast<__m256i>(a), z = reinterpret_cast<__m256i>(b);
  low = reinterpret_cast<RowPair>(_mm256_ternarylogic_epi64(x, y, z, kOdd));
  return reinterpret_cast<RowPair>(_mm256_ternarylogic_epi64(x, y, z, kMost));
#else
  const RowPair half = low ^ a, carry = (low & a) | (half & b);
  low = half ^ b;
  return carry;
#endif
}

void add_rows(const Word* rows, const std::uint16_t* places, std::int64_t n_units, Word* planes) {
  constexpr int kPlaneWords = 2 * kRowWords;
  RowPair plane[kPlanes];  // which are copied one by one: all at once they would go through the stack
  for (int i = 0; i < kPlanes; ++i)
    plane[i] = load_pair(planes + kPlaneWords * i, planes + kPlaneWords * i + kRowWords);
  for (std::int64_t unit = 0; unit < n_units; ++unit, places += kRowsPerUnit) {
    const auto two = [&](int i) {
      const RowPair a = load_pair(rows + places[4 * i], rows + places[4 * i + 1]);
      return add_pairs(plane[0], a, load_pair(rows + places[4 * i + 2], rows + places[4 * i + 3]));
    };
    const auto four = [&](int i) {
      const RowPair a = two(2 * i);
      return add_pairs(plane[1], a, two(2 * i + 1));
    };
    const auto eight = [&](int i) {
      const RowPair a = four(2 * i);
      return add_pairs(plane[2], a, four(2 * i + 1));
    };
    const RowPair a = eight(0);
    RowPair carry = add_pairs(plane[3], a, eight(1));
    for (int i = 4; i < kPlanes; ++i) {
      const RowPair next = plane[i] & carry;
      plane[i] = plane[i] ^ carry;
      carry = next;
    }
  }
  for (int i = 0; i < kPlanes; ++i) std::memcpy(planes + kPlaneWords * i, &plane[i], sizeof(RowPair));
}

struct AsPlaces {
  static Halves of(Halves rows) { return kRowWords * slot_of(rows); }
};

std::int64_t list_rows(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                       std::uint16_t* places) {
  const std::int64_t n = ones_as<AsPlaces>(columns, k, begin, n_words, places);
  for (int i = 0; i < kRowsPerUnit; ++i) places[n + i] = kEmptyPlace;
  return (n + kRowsPerUnit - 1) / kRowsPerUnit;
}

// Of up to 64 columns.
template <class Store>
inline void transpose_some(const Word* const* columns, int n_columns, std::int64_t begin, int lane,
                           const Store& store) {
  transpose_lanes([&](int c) { return c < n_columns ? load_words(columns[c] + begin + lane) : Words{}; }, store);
}

void wide_rows(const Word* const* columns, int n_columns, std::int64_t begin, Word* rows) {
  const int n_first = n_columns < 64 ? n_columns : 64;
  for (int lane = 0; lane < 8; lane += kWordLanes) {
    Words first[64];
    transpose_some(columns, n_first, begin, lane, [&](int r, const Words& x) { first[r] = x; });
    transpose_some(columns + n_first, n_columns - n_first, begin, lane, [&](int r, const Words& x) {
      Word* to = rows + 2 * (8 * r + lane);
#if defined(__AVX512VPOPCNTDQ__)
      const auto a = reinterpret_cast<__m512i>(first[r]), b = reinterpret_cast<__m512i>(x);
      _mm512_storeu_si512(to, _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b));
      _mm512_storeu_si512(to + 8, _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b));
#else
      for (int i = 0; i < kWordLanes; ++i) {
        to[2 * i] = first[r][i];
        to[2 * i + 1] = x[i];
      }
#endif
    });
  }
}

#if defined(__AVX512VPOPCNTDQ__)
constexpr TallyCosts kTallyCosts = {0.24, 3.5, 0.2, 1.6, 170};
#elif defined(__AVX2__)
constexpr TallyCosts kTallyCosts = {0.75, 5, 1.6, 2, 270};
#else
constexpr TallyCosts kTallyCosts = {1.25, 10, 1.9, 2.8, 420};
#endif
