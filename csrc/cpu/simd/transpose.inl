// Transposition of bits: from columns to rows, 64 columns of 512 rows at a time.

// A vector of words that stays in this unit's register width; lane w is word w of the eight.
typedef Word Words __attribute__((vector_size(kVectorBytes)));

constexpr int kWordLanes = kVectorBytes / 8;

// Exchanges the upper half of each group of 2 * kWidth bits of `a` with the lower half of that of `b`.
template <int kWidth>
inline void exchange(Words& a, Words& b) {
  [[maybe_unused]] constexpr Word kLow = ~Word{0} / ((Word{1} << kWidth) + 1);  // the lower halves
#if defined(__AVX512VPOPCNTDQ__)
  const auto x = reinterpret_cast<__m512i>(a), y = reinterpret_cast<__m512i>(b);
  // One port shifts, another shuffles: of the steps that can be done either way, two shuffle and one shifts.
  if constexpr (kWidth == 32) {
    a = reinterpret_cast<Words>(_mm512_mask_shuffle_epi32(x, 0xAAAA, y, _MM_PERM_CCAA));
    b = reinterpret_cast<Words>(_mm512_mask_shuffle_epi32(y, 0x5555, x, _MM_PERM_DDBB));
  } else if constexpr (kWidth == 8) {
    const __m512i neighbours =
        _mm512_broadcast_i32x4(_mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    a = reinterpret_cast<Words>(_mm512_mask_shuffle_epi8(x, 0xAAAAAAAAAAAAAAAAull, y, neighbours));
    b = reinterpret_cast<Words>(_mm512_mask_shuffle_epi8(y, 0x5555555555555555ull, x, neighbours));
  } else {
    const __m512i low = _mm512_set1_epi64(static_cast<long long>(kLow));
    constexpr int kSecondOrThird = 0xCA;  // of three operands, as the first says
    a = reinterpret_cast<Words>(_mm512_ternarylogic_epi64(low, x, _mm512_slli_epi64(y, kWidth), kSecondOrThird));
    b = reinterpret_cast<Words>(_mm512_ternarylogic_epi64(low, _mm512_srli_epi64(x, kWidth), y, kSecondOrThird));
  }
#else
  const Words swap = ((a >> kWidth) ^ b) & kLow;
  a ^= swap << kWidth;
  b ^= swap;
#endif
}

// The three steps of a transposition that exchange bits kWidth, 2 * kWidth and 4 * kWidth apart, on vectors that are as
// many eighths of 8 * kWidth rows apart. Loops that every compiler unrolls, or the vectors would not stay in registers.
template <int kWidth>
inline void three_steps(Words (&x)[8]) {
  for (int i = 0; i < 4; ++i) exchange<4 * kWidth>(x[i], x[i + 4]);
  for (int i = 0; i < 8; i += 4)
    for (int j = i; j < i + 2; ++j) exchange<2 * kWidth>(x[j], x[j + 2]);
  for (int i = 0; i < 8; i += 2) exchange<kWidth>(x[i], x[i + 1]);
}

#if defined(__AVX512VPOPCNTDQ__)
// Transposes the 8 × 8 bits of each word, the bytes of which come in reverse: as the matrix that the units are
// multiplied with.
inline void transpose_words(Words& x) {
  const __m512i units = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull));
  x = reinterpret_cast<Words>(_mm512_gf2p8affine_epi64_epi8(units, reinterpret_cast<__m512i>(x), 0));
}
constexpr bool kReversed = true;
#else
// The bits of `low` change places with those `width` above them.
inline void exchange_within(Words& a, int width, Word low) {
  const Words swap = ((a >> width) ^ a) & low;
  a ^= swap ^ (swap << width);
}

// Transposes the 8 × 8 bits of each word.
inline void transpose_words(Words& x) {
  exchange_within(x, 28, 0x00000000F0F0F0F0ull);
  exchange_within(x, 14, 0x0000CCCC0000CCCCull);
  exchange_within(x, 7, 0x00AA00AA00AA00AAull);
}
constexpr bool kReversed = false;
#endif

// The six steps of Warren, Hacker's Delight, section 7-3, in two rounds: column c is load(c), row r goes to store(r,
// …). Where 8 × 8 bits are transposed by one instruction, that stands for three of them, and bytes are moved in both
// rounds.
template <class Load, class Store>
inline void transpose_lanes(const Load& load, const Store& store) {
  Words between[64];
  for (int c = 0; c < 8; ++c) {
    Words x[8];
    for (int i = 0; i < 8; ++i) x[i] = load(kReversed ? 8 * c + 7 - i : c + 8 * i);
    three_steps<8>(x);
    for (int i = 0; i < 8; ++i) {
      if (kReversed) transpose_words(x[i]);
      between[c + 8 * i] = x[i];
    }
  }
  for (int r = 0; r < 64; r += 8) {
    Words x[8];
    for (int i = 0; i < 8; ++i) x[i] = between[r + i];
    three_steps<kReversed ? 8 : 1>(x);
    for (int i = 0; i < 8; ++i) store(r + i, x[i]);
  }
}

inline Words load_words(const Word* from) {
  Words x;
  std::memcpy(&x, from, kVectorBytes);
  return x;
}

inline void store_words(Word* to, const Words& x) { std::memcpy(to, &x, kVectorBytes); }

void transpose(const Word* columns, Word* rows) {
  for (int lane = 0; lane < 8; lane += kWordLanes)
    transpose_lanes([&](int c) { return load_words(columns + 8 * c + lane); },
                    [&](int r, const Words& x) { store_words(rows + 8 * r + lane, x); });
}
