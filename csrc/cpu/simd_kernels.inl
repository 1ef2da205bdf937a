// The inner loops of one SIMD level; the including file defines ASKEW_SIMD_LEVEL and is compiled with that level's
// flags. Nothing here may leave inline functions with external linkage behind (the linker could hand them to a
// processor that cannot run them): so no standard containers, and everything lives in an unnamed namespace.
#include <bit>
#include <cstring>

#include "cpu/simd.hpp"

static_assert(std::endian::native == std::endian::little, "halves of words are taken in this order");

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define ASKEW_STRING_(x) #x
#define ASKEW_STRING(x) ASKEW_STRING_(x)
#define ASKEW_JOIN_(a, b) a##b
#define ASKEW_JOIN(a, b) ASKEW_JOIN_(a, b)

namespace askew {
namespace {

#if defined(__AVX512VPOPCNTDQ__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Compiler vectors of the level's native width, which may stand at any address.
typedef std::uint8_t Bytes __attribute__((vector_size(kVectorBytes), aligned(1), may_alias));
typedef std::uint16_t Halves __attribute__((vector_size(kVectorBytes)));
typedef std::uint32_t Lanes __attribute__((vector_size(kVectorBytes)));

// ---------------------------------------------------------------------------------------------------------------- bits

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

// Two passes, so that the branches of the second are predictable: first the words that are not 0, then their ones, of
// which most of these words have one only.
std::int64_t ones_of(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                     std::uint16_t* out) {
  Word words[kMaxOnesWords + 8];
  std::uint16_t positions[kMaxOnesWords + 8];
  std::int64_t n_found = 0;
  for (std::int64_t word = 0; word < n_words; word += Bits::words)
    n_found += Bits::nonzero(conjunction(columns, k, begin + word), word, words + n_found, positions + n_found);
  std::uint16_t* end = out;
  for (std::int64_t i = 0; i < n_found; ++i) {
    Word left = words[i];
    do {
      *end++ = static_cast<std::uint16_t>(positions[i] * kWordBits + __builtin_ctzll(left));
      left &= left - 1;
    } while (left != 0);
  }
  return end - out;
}

// ---------------------------------------------------------------------------------------------------------------- pack

constexpr std::int64_t kPackColumns = 256;

std::uint8_t pack_rows(const std::uint8_t* values, std::int64_t row_stride, std::int64_t n_rows, std::int64_t p,
                       Word* out) {
  std::uint8_t seen = 0;
  std::uint8_t bytes[8][kPackColumns];  // bytes[i][c]: rows 8 i … 8 i + 7 of column c, one bit each
  for (std::int64_t begin = 0; begin < p; begin += kPackColumns) {
    const std::int64_t n_columns = p - begin < kPackColumns ? p - begin : kPackColumns;
    for (std::int64_t i = 0; i < 8; ++i) {
      std::uint8_t* byte = bytes[i];
      std::memset(byte, 0, kPackColumns);
      for (std::int64_t bit = 0; bit < 8 && 8 * i + bit < n_rows; ++bit) {
        const std::uint8_t* row = values + (8 * i + bit) * row_stride + begin;
        for (std::int64_t c = 0; c < n_columns; ++c) {
          seen = static_cast<std::uint8_t>(seen | row[c]);
          byte[c] = static_cast<std::uint8_t>(byte[c] | row[c] << bit);
        }
      }
    }
    for (std::int64_t c = 0; c < n_columns; ++c) {
      Word word = 0;
      for (int i = 0; i < 8; ++i) word |= Word{bytes[i][c]} << (8 * i);
      out[begin + c] = word;
    }
  }
  return seen;
}

// ------------------------------------------------------------------------------------------------------------ weights

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

// Sixteen counters at a time: one row and 128 replicates, or two rows and 64.
constexpr int kCounters = 16;
constexpr int kLanes = kVectorBytes / 4;

struct WeightRows {
  alignas(64) std::uint8_t low[4 * kCounters];   // words 0 and 1, byte 4 l + … from counter l
  alignas(64) std::uint8_t high[4 * kCounters];  // words 2 and 3
};

inline Lanes lane_numbers() {
  Lanes lanes = {};
  for (unsigned i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}

// Poisson weights from 16-bit uniforms. `counters_per_row` is 16 or 8.
inline void poisson16(const ThreefryKey& key, const Alias16& alias, std::uint64_t row, std::uint32_t first_counter,
                      int counters_per_row, WeightRows& out) {
  const Lanes numbers = lane_numbers(), zero = {};
  for (int l = 0; l < kCounters; l += kLanes) {
    const Lanes lane = numbers + static_cast<std::uint32_t>(l);
    const Lanes next_row = counters_per_row == kCounters ? zero : lane >> 3;
    const Lanes counter = first_counter + (counters_per_row == kCounters ? lane : lane & 7);
    const Lanes low = static_cast<std::uint32_t>(row) + next_row;
    const Lanes carry = reinterpret_cast<Lanes>(low < next_row);  // all ones where the low half wrapped around
    const Lanes high = static_cast<std::uint32_t>(row >> 32) - carry;
    const Threefry4<Lanes> x = threefry4x32<kThreefryRounds>(Threefry4<Lanes>{{low, high, counter, zero}}, key);
    Halves w[4];
    for (int i = 0; i < 4; ++i) w[i] = alias(reinterpret_cast<Halves>(x.word[i]));
    const Halves even = w[0] | (w[1] << 8), odd = w[2] | (w[3] << 8);
    std::memcpy(out.low + 4 * l, &even, kVectorBytes);
    std::memcpy(out.high + 4 * l, &odd, kVectorBytes);
  }
}

// Weights of `rows` rows (one if kWidth is wide, two if narrow) in the order of lane_of.
template <int kWidth>
inline void draw(const Draws& draws, const ThreefryKey& key, const Alias16& alias, std::uint64_t row,
                 std::uint32_t block, std::uint8_t (*out)[kWidth]) {
  constexpr int kRows = kWide / kWidth;
  if (draws.distribution->uniform_bits == 16) {
    WeightRows drawn;
    poisson16(key, alias, row, block * static_cast<std::uint32_t>(kWidth / 8), kWidth / 8, drawn);
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(out[r], drawn.low + r * (kWidth / 2), kWidth / 2);
      std::memcpy(out[r] + kWidth / 2, drawn.high + r * (kWidth / 2), kWidth / 2);
    }
    return;
  }
  for (int r = 0; r < kRows; ++r)
    for (int counter = 0; counter < kWidth / 4; ++counter) {
      const Threefry4<std::uint32_t> x =
          weights_words(key, row + static_cast<std::uint64_t>(r),
                        block * static_cast<std::uint32_t>(kWidth / 4) + static_cast<std::uint32_t>(counter));
      for (int i = 0; i < 4; ++i) out[r][lane_of(4 * counter + i, kWidth)] = alias_weight(kAlias32, x.word[i]);
    }
}

// ---------------------------------------------------------------------------------------------------------- resample

template <int kWidth>
void spill(const Accumulators& sums, std::int64_t itemset) {
  std::uint16_t* sum16 = sums.sum16 + itemset * kWidth;
  std::uint32_t* sum32 = sums.sum32 + itemset * kWidth;
  for (int i = 0; i < kWidth; ++i) sum32[i] += sum16[i];
  std::memset(sum16, 0, kWidth * sizeof(std::uint16_t));
  sums.flushes[itemset] = 0;
}

template <int kWidth>
void widen(const Accumulators& sums, std::int64_t itemset) {
  std::uint8_t* sum8 = sums.sum8 + itemset * kWidth;
  std::uint16_t* sum16 = sums.sum16 + itemset * kWidth;
  for (int i = 0; i < kWidth; ++i) sum16[i] = static_cast<std::uint16_t>(sum16[i] + sum8[i]);
  std::memset(sum8, 0, kWidth);
  if (++sums.flushes[itemset] == sums.max_flushes) spill<kWidth>(sums, itemset);
}

template <int kWidth>
void accumulate_width(const Incidence& piece, std::uint64_t first_row, const Draws& draws, std::uint32_t block,
                      const Accumulators& sums) {
  constexpr int kRows = kWide / kWidth, kVectors = kWidth / kVectorBytes;
  const ThreefryKey key = weights_key(draws);
  const Alias16 alias;
  alignas(64) std::uint8_t weights[kRows][kWidth];
  const std::uint32_t *starts = piece.starts, *entries = piece.entries;
  for (std::int64_t row = 0; row < piece.n_rows; row += kRows) {
    const std::int64_t end = row + kRows < piece.n_rows ? row + kRows : piece.n_rows;
    if (starts[row] == starts[end]) continue;
    draw<kWidth>(draws, key, alias, first_row + static_cast<std::uint64_t>(row), block, weights);
    for (std::int64_t r = row; r < end; ++r) {
      Bytes weight[kVectors];
      std::memcpy(weight, weights[r - row], kWidth);
      for (std::uint32_t e = starts[r]; e < starts[r + 1]; ++e) {
        const std::int64_t itemset = entries[e] & ~kFlush;
        Bytes* sum = reinterpret_cast<Bytes*>(sums.sum8 + itemset * kWidth);
        for (int v = 0; v < kVectors; ++v) sum[v] += weight[v];
        if (entries[e] & kFlush) widen<kWidth>(sums, itemset);
      }
    }
  }
}

void accumulate(const Incidence& piece, std::uint64_t first_row, const Draws& draws, std::uint32_t block, int width,
                const Accumulators& sums) {
  if (width == kWide)
    accumulate_width<kWide>(piece, first_row, draws, block, sums);
  else
    accumulate_width<kNarrow>(piece, first_row, draws, block, sums);
}

template <int kWidth>
void drain_width(std::int64_t n_itemsets, const Accumulators& sums) {
  for (std::int64_t itemset = 0; itemset < n_itemsets; ++itemset) {
    widen<kWidth>(sums, itemset);
    spill<kWidth>(sums, itemset);
  }
}

void drain(std::int64_t n_itemsets, int width, const Accumulators& sums) {
  if (width == kWide)
    drain_width<kWide>(n_itemsets, sums);
  else
    drain_width<kNarrow>(n_itemsets, sums);
}

constexpr SimdKernels kKernels = {
    ASKEW_STRING(ASKEW_SIMD_LEVEL), and_count, and_columns, ones_of, pack_rows, accumulate, drain};

}  // namespace

const SimdKernels* ASKEW_JOIN(ASKEW_SIMD_LEVEL, _kernels)() { return &kKernels; }

}  // namespace askew
