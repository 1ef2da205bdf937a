// Three ways to add up weights, at several densities of memberships: row by row and itemset by itemset, as
// csrc/cpu/resample.cpp does, and with matrix tiles (AMX int8), as it does not. From the root of the repository, on a
// processor with AVX-512 and AMX (Linux, GCC 11 or later):
//
// clang-format off
//   f="-std=c++20 -O3 -Icsrc -pthread -DASKEW_X86_KERNELS"
//   a="-mavx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi2 -mavx512vpopcntdq -mgfni -mbmi -mprefer-vector-width=512"
//   g++ $f -c csrc/cpu/simd_portable.cpp -o portable.o
//   g++ $f -mavx2 -mbmi -c csrc/cpu/simd_avx2.cpp -o avx2.o
//   g++ $f $a -c csrc/cpu/simd_avx512.cpp -o avx512.o
//   g++ $f $a -mamx-tile -mamx-int8 benchmarks/dense_memberships.cpp csrc/cpu/simd.cpp csrc/cpu/incidence.cpp *.o -o dense
//   ./dense
// clang-format on
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "cpu/incidence.hpp"
#include "cpu/simd.hpp"

using namespace askew;

constexpr std::int64_t kRows = 65536, kTileRows = 1024, kWords = words_for(kRows);

struct __attribute__((packed)) TileConfig {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

template <class Function>
double ns_per_row(const Function& function) {
  double best = 1e9;
  for (int i = 0; i < 7; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    function();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best / kRows * 1e9;
}

// Weights that are there already, for the tiles; 1,024 rows at a time and 32 itemsets by 32 replicates.
void add_with_tiles(const Word* columns, int n_itemsets, const std::uint8_t* weights, std::uint8_t* a, std::uint8_t* b,
                    std::int32_t* sums) {
  for (std::int64_t row = 0; row < kRows; row += kTileRows) {
    for (int k = 0; k < kTileRows; k += 4)
      for (int half = 0; half < 2; ++half) {
        __m512i w[4];
        for (int i = 0; i < 4; ++i) w[i] = _mm512_loadu_si512(weights + (k + i) * kBlockReplicates + half * 64);
        const __m512i low01 = _mm512_unpacklo_epi8(w[0], w[1]), high01 = _mm512_unpackhi_epi8(w[0], w[1]);
        const __m512i low23 = _mm512_unpacklo_epi8(w[2], w[3]), high23 = _mm512_unpackhi_epi8(w[2], w[3]);
        const __m512i quads[4] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                                  _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
        for (int i = 0; i < 4; ++i) _mm512_store_si512(b + (half * 4 + i) * kTileRows * 16 + k / 4 * 64, quads[i]);
      }
    for (int s = 0; s < n_itemsets; s += 32) {
      for (int k = 0; k < kTileRows / 64; ++k)
        for (int i = 0; i < 32; ++i)
          _mm512_store_si512(a + k * 2048 + i * 64,
                             _mm512_maskz_set1_epi8(columns[(s + i) * kWords + row / 64 + k], 1));
      for (int pair = 0; pair < 4; ++pair) {
        std::int32_t* c = sums + s * kBlockReplicates + pair * 32;
        constexpr int kStride = kBlockReplicates * 4;
        _tile_loadd(0, c, kStride);
        _tile_loadd(1, c + 16, kStride);
        _tile_loadd(2, c + 16 * kBlockReplicates, kStride);
        _tile_loadd(3, c + 16 * kBlockReplicates + 16, kStride);
        for (int k = 0; k < kTileRows / 64; ++k) {
          _tile_loadd(4, a + k * 2048, 64);
          _tile_loadd(5, a + k * 2048 + 1024, 64);
          _tile_loadd(6, b + 2 * pair * kTileRows * 16 + k * 1024, 64);
          _tile_loadd(7, b + (2 * pair + 1) * kTileRows * 16 + k * 1024, 64);
          _tile_dpbuud(0, 4, 6);
          _tile_dpbuud(1, 4, 7);
          _tile_dpbuud(2, 5, 6);
          _tile_dpbuud(3, 5, 7);
        }
        _tile_stored(0, c, kStride);
        _tile_stored(1, c + 16, kStride);
        _tile_stored(2, c + 16 * kBlockReplicates, kStride);
        _tile_stored(3, c + 16 * kBlockReplicates + 16, kStride);
      }
    }
  }
}

template <class T>
T* aligned(std::size_t size) {
  T* memory = static_cast<T*>(std::aligned_alloc(64, size * sizeof(T)));
  std::memset(memory, 0, size * sizeof(T));
  return memory;
}

std::uint16_t* spilled = nullptr;

void measure(int n_itemsets, double density) {
  const int padded = (n_itemsets + 31) / 32 * 32;
  Word* columns = aligned<Word>(padded * kWords);
  std::mt19937_64 random(1);
  std::bernoulli_distribution member(density);
  for (int s = 0; s < n_itemsets; ++s)
    for (std::int64_t row = 0; row < kRows; ++row) columns[s * kWords + row / 64] |= Word{member(random)} << (row % 64);
  Columns pointers;
  std::vector<std::int32_t> items;
  std::vector<std::int64_t> offsets{0};
  for (int s = 0; s < n_itemsets; ++s) {
    pointers.push_back(columns + s * kWords);
    items.push_back(s);
    offsets.push_back(s + 1);
  }
  const Itemsets itemsets{items.data(), offsets.data(), n_itemsets};

  const std::size_t size = static_cast<std::size_t>(padded) * kBlockReplicates;
  std::uint16_t* flushes = aligned<std::uint16_t>(size);
  spilled = aligned<std::uint16_t>(size);
  const auto spill = [](void*, std::int64_t s) {
    std::memset(spilled + s * kBlockReplicates, 0, 2 * kBlockReplicates);
  };
  const Accumulators sums{aligned<std::uint8_t>(size), spilled, flushes, 31, 65535 / 248, spill, nullptr};
  const Draws draws{&kPoisson16, 0, 0};
  double lists[2];
  for (int by_itemset = 0; by_itemset < 2; ++by_itemset) {
    const IncidenceChunk chunk =
        build_incidence(pointers, kRows, itemsets, 0, {31, by_itemset ? kRows : 0}, 1, Monitor{});
    lists[by_itemset] = ns_per_row([&] {
      for (const IncidencePiece& piece : chunk.pieces)
        simd().accumulate(piece.view(), static_cast<std::uint64_t>(piece.first_row), {nullptr, nullptr, true}, draws, 0,
                          sums);
    });
  }
  const double drawing = ns_per_row([&] { simd().probe_weights(draws, kRows); });
  std::uint8_t *weights = aligned<std::uint8_t>(kTileRows * kBlockReplicates),
               *a = aligned<std::uint8_t>(32 * kTileRows), *b = aligned<std::uint8_t>(8 * kTileRows * 16);
  std::int32_t* tiles = aligned<std::int32_t>(size);
  const double matrix = ns_per_row([&] { add_with_tiles(columns, padded, weights, a, b, tiles); });
  std::printf("%9d %7.0f %% %12.1f %20.1f %6.1f\n", n_itemsets, 100 * density, lists[0], lists[1], matrix + drawing);
}

int main() {
  constexpr int kRequestTiles = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if (syscall(SYS_arch_prctl, kRequestTiles, kTileData) != 0) {
    std::puts("this processor or kernel has no matrix tiles");
    return 1;
  }
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  _tile_loadconfig(&config);
  std::puts("ns per row and 128 replicates, drawing included");
  std::puts(" itemsets   density   row by row   itemset by itemset    AMX");
  for (const int n_itemsets : {64, 200, 1000})
    for (const double density : {0.02, 0.05, 0.1, 0.2, 0.5})
      if (n_itemsets * density <= 250) measure(n_itemsets, density);
}
