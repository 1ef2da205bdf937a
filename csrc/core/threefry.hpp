// Threefry4x32 of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11: adds, rotations
// and exclusive ors only. `Vec` is std::uint32_t, or a compiler vector of them: then each lane is a counter of its own.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"

namespace askew {

struct ThreefryKey {
  std::uint32_t word[5];  // the fifth is the parity of the others
};

ASKEW_INLINE ThreefryKey threefry_key(std::uint32_t k0, std::uint32_t k1, std::uint32_t k2, std::uint32_t k3) {
  return {{k0, k1, k2, k3, 0x1BD11BDAu ^ k0 ^ k1 ^ k2 ^ k3}};
}

template <class Vec>
struct Threefry4 {
  Vec word[4];
};

template <int kBits, class Vec>
ASKEW_INLINE Vec rotate_left(Vec x) {
  return (x << kBits) | (x >> (32 - kBits));
}

// One round on the pairs (x0, xa) and (x2, xb).
template <int kBitsA, int kBitsB, class Vec>
ASKEW_INLINE void threefry_round(Vec& x0, Vec& xa, Vec& x2, Vec& xb) {
  x0 = x0 + xa;
  xa = rotate_left<kBitsA>(xa) ^ x0;
  x2 = x2 + xb;
  xb = rotate_left<kBitsB>(xb) ^ x2;
}

template <class Vec>
ASKEW_INLINE void threefry_inject(Vec (&x)[4], const ThreefryKey& key, std::uint32_t injection) {
  for (unsigned i = 0; i < 4; ++i) x[i] = x[i] + key.word[(injection + i) % 5];
  x[3] = x[3] + injection;
}

// kRounds may be any number; 12 is the fewest that passes BigCrush.
template <int kRounds, class Vec>
ASKEW_INLINE Threefry4<Vec> threefry4x32(Threefry4<Vec> counter, const ThreefryKey& key) {
  Vec(&x)[4] = counter.word;
  for (unsigned i = 0; i < 4; ++i) x[i] = x[i] + key.word[i];
#if defined(__CUDACC__)
#pragma unroll
#elif defined(__GNUC__)
#pragma GCC unroll 64
#endif
  for (int round = 0; round < kRounds; ++round) {
    switch (round % 8) {
      case 0: threefry_round<10, 26>(x[0], x[1], x[2], x[3]); break;
      case 1: threefry_round<11, 21>(x[0], x[3], x[2], x[1]); break;
      case 2: threefry_round<13, 27>(x[0], x[1], x[2], x[3]); break;
      case 3: threefry_round<23, 5>(x[0], x[3], x[2], x[1]); break;
      case 4: threefry_round<6, 20>(x[0], x[1], x[2], x[3]); break;
      case 5: threefry_round<17, 11>(x[0], x[3], x[2], x[1]); break;
      case 6: threefry_round<25, 10>(x[0], x[1], x[2], x[3]); break;
      case 7: threefry_round<18, 20>(x[0], x[3], x[2], x[1]); break;
    }
    if (round % 4 == 3) threefry_inject(x, key, static_cast<std::uint32_t>(round / 4 + 1));
  }
  return counter;
}

}  // namespace askew
