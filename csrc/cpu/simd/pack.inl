// From bytes to columns of bits: 512 rows at a time, or down one column.
//
// Rows go through two steps. First eight rows are added up, shifted by 0 … 7, which makes one byte of each column. Then
// 8 × 8 of these bytes are transposed in registers, a lane for each 64 rows, which makes one cache line of each column.

// The OR of the bytes of some words.
inline std::uint8_t any_byte(const Word* words, int n_words) {
  Word any = 0;
  for (int i = 0; i < n_words; ++i) any |= words[i];
  for (int shift = 32; shift >= 8; shift /= 2) any |= any >> shift;
  return static_cast<std::uint8_t>(any);
}

// Where rows are shorter than a vector, the last vector overlaps the one before it.
template <int kBytes>
std::uint8_t fold_vectors(const std::uint8_t* rows, std::int64_t stride, std::int64_t length, std::int64_t ahead,
                          std::uint8_t* out) {
  typedef Word Vector __attribute__((vector_size(kBytes)));
  Vector seen = {};
  for (std::int64_t begin = 0; begin < length; begin += kBytes) {
    const std::int64_t at = begin + kBytes <= length ? begin : length - kBytes;
    Vector x[8];
    for (int i = 0; i < 8; ++i) {
      std::memcpy(&x[i], rows + i * stride + at, kBytes);
      __builtin_prefetch(rows + i * stride + at + ahead);
    }
    seen |= ((x[0] | x[1]) | (x[2] | x[3])) | ((x[4] | x[5]) | (x[6] | x[7]));
    for (int i = 0; i < 8; i += 2) x[i] |= x[i + 1] << 1;
    for (int i = 0; i < 8; i += 4) x[i] |= x[i + 2] << 2;
    x[0] |= x[4] << 4;
    std::memcpy(out + at, &x[0], kBytes);
  }
  Word words[kBytes / 8];
  std::memcpy(words, &seen, kBytes);
  return any_byte(words, kBytes / 8);
}

// Bit i of out[x] = rows[i * stride + x], for eight rows and x < length; the bytes that are `ahead` come next. Returns
// the OR of all values: the shifts are right as long as none is more than 1.
std::uint8_t fold(const std::uint8_t* rows, std::int64_t stride, std::int64_t length, std::int64_t ahead,
                  std::uint8_t* out) {
  if (length >= kVectorBytes) return fold_vectors<kVectorBytes>(rows, stride, length, ahead, out);
  if (length >= 32) return fold_vectors<32>(rows, stride, length, ahead, out);
  if (length >= 16) return fold_vectors<16>(rows, stride, length, ahead, out);
  if (length >= 8) return fold_vectors<8>(rows, stride, length, ahead, out);
  unsigned seen = 0;
  for (std::int64_t x = 0; x < length; ++x) {
    unsigned byte = 0;
    for (int i = 0; i < 8; ++i) {
      const unsigned value = rows[i * stride + x];
      seen |= value;
      byte |= value << i;
    }
    out[x] = static_cast<std::uint8_t>(byte);
  }
  return static_cast<std::uint8_t>(seen);
}

#if defined(__AVX512VPOPCNTDQ__)
constexpr int kGathered = 16;  // columns of which 8 bytes each are gathered at a time

// Lane w of out[0] and out[1] is the eight bytes at from + w * stride, and those behind them. From memory, insertions
// take either port, whereas two words are exchanged on one only.
inline void gather(const std::uint8_t* from, std::int64_t stride, Words* out) {
  const auto load = [&](int w) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + w * stride)); };
  __m512i even = _mm512_castsi128_si512(load(0)), odd = _mm512_castsi128_si512(load(1));
  even = _mm512_inserti64x2(even, load(2), 1);
  odd = _mm512_inserti64x2(odd, load(3), 1);
  even = _mm512_inserti64x2(even, load(4), 2);
  odd = _mm512_inserti64x2(odd, load(5), 2);
  even = _mm512_inserti64x2(even, load(6), 3);
  odd = _mm512_inserti64x2(odd, load(7), 3);
  out[0] = reinterpret_cast<Words>(_mm512_unpacklo_epi64(even, odd));
  out[1] = reinterpret_cast<Words>(_mm512_unpackhi_epi64(even, odd));
}
#else
constexpr int kGathered = 8;

inline void gather(const std::uint8_t* from, std::int64_t stride, Words* out) {
  Word words[kWordLanes];
  for (int w = 0; w < kWordLanes; ++w) std::memcpy(&words[w], from + w * stride, 8);
  std::memcpy(out, words, kVectorBytes);
}
#endif

// bytes[(8 * w + g) * p + c] are rows 64 w + 8 g, 64 w + 8 g + 1, … of column c; or, interleaved, rows 64 w + g, 64 w +
// 8 + g, …. Up to kGathered - 1 bytes behind the last are read, and do not matter.
template <bool kInterleaved>
void lines_of(const std::uint8_t* bytes, std::int64_t p, Word* out, std::int64_t out_stride) {
  constexpr int kParts = kGathered / 8;
  for (std::int64_t first = 0; first < p; first += kGathered)
    for (int lane = 0; lane < 8; lane += kWordLanes) {
      Words x[kParts][8], both[kParts];
      for (int g = 0; g < 8; ++g) {
        gather(bytes + (8 * lane + g) * p + first, 8 * p, both);
        for (int i = 0; i < kParts; ++i) x[i][kInterleaved && kReversed ? 7 - g : g] = both[i];
      }
      for (int i = 0; i < kParts; ++i) {
        const std::int64_t c = first + 8 * i;
        three_steps<8>(x[i]);
        const int n_columns = p - c < 8 ? static_cast<int>(p - c) : 8;
        for (int k = 0; k < n_columns; ++k) {
          if (kInterleaved) transpose_words(x[i][k]);  // byte g, bit i is row 8 i + g
          std::memcpy(out + (c + k) * out_stride + lane, &x[i][k], kVectorBytes);
        }
      }
    }
}

std::uint8_t pack_rows(const std::uint8_t* values, std::int64_t row_stride, std::int64_t p, Word* out,
                       std::int64_t out_stride) {
  constexpr std::int64_t kAhead = 8192;  // bytes to prefetch: far enough for memory, near enough for the L1 cache
  std::uint8_t bytes[64 * kPackColumns + kGathered];
  unsigned seen = 0;
  if (row_stride ==
      p) {  // no gaps: eight rows are one long row, in which vectors are full however few columns there are
    for (int w = 0; w < 8; ++w) seen |= fold(values + w * 64 * p, 8 * p, 8 * p, kAhead, bytes + w * 8 * p);
    lines_of<true>(bytes, p, out, out_stride);
  } else {
    for (int g = 0; g < 64; ++g)
      seen |= fold(values + g * 8 * row_stride, row_stride, p, 64 * row_stride, bytes + g * p);
    lines_of<false>(bytes, p, out, out_stride);
  }
  return static_cast<std::uint8_t>(seen);
}

// One word of 64 bytes, each 0 or 1.
inline Word word_of(const std::uint8_t* bytes) {
#if defined(__AVX512VPOPCNTDQ__)
  const __m512i x = _mm512_loadu_si512(bytes);
  return _mm512_test_epi8_mask(x, x);
#elif defined(__AVX2__)
  Word word = 0;
  for (int half = 0; half < 2; ++half) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * half));
    word |= Word{static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi64(x, 7)))} << (32 * half);
  }
  return word;
#else
  Word word = 0;
  for (int i = 0; i < 8; ++i) {  // the product's highest byte has byte k of x at bit k
    Word x;
    std::memcpy(&x, bytes + 8 * i, 8);
    word |= (x * 0x0102040810204080ull) >> 56 << (8 * i);
  }
  return word;
#endif
}

std::uint8_t pack_column(const std::uint8_t* values, std::int64_t n_words, Word* out) {
  Words seen = {};
  for (std::int64_t word = 0; word < n_words; ++word) {
    const std::uint8_t* bytes = values + 64 * word;
    out[word] = word_of(bytes);
    for (int part = 0; part < 64; part += kVectorBytes) {
      Words x;
      std::memcpy(&x, bytes + part, kVectorBytes);
      seen |= x;
    }
  }
  Word words[kWordLanes];
  std::memcpy(words, &seen, kVectorBytes);
  return any_byte(words, kWordLanes);
}
