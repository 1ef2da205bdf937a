#include "cpu/kernels.hpp"

namespace askew {
namespace {

// Transposes a 64 × 64 matrix of bits in place (Warren, Hacker's Delight, section 7-3): bit c of rows[r] and bit r of
// rows[c] change places.
void transpose(Word (&rows)[64]) {
  Word mask = 0x00000000FFFFFFFFull;
  for (unsigned width = 32; width != 0; width >>= 1, mask ^= mask << width)
    for (unsigned r = 0; r < 64; r = ((r | width) + 1) & ~width) {
      const Word swap = ((rows[r] >> width) ^ rows[r | width]) & mask;
      rows[r] ^= swap << width;
      rows[r | width] ^= swap;
    }
}

// The finaliser of MurmurHash3, which spreads every bit of its input over the whole word.
Word mix(Word x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDull;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53ull;
  return x ^ (x >> 33);
}

}  // namespace

Patterns patterns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  const std::size_t width = std::max<std::size_t>(1, (columns.size() + 63) / 64);  // words of a row
  std::vector<Word> rows(static_cast<std::size_t>(n) * width);
  std::vector<Word> hashes(static_cast<std::size_t>(n));
  parallel_for((n + kWordBits - 1) / kWordBits, n_threads, monitor, [&](std::int64_t word, int, Watch&) {
    const auto first = static_cast<std::size_t>(word * kWordBits);
    const std::size_t n_rows = std::min<std::size_t>(64, static_cast<std::size_t>(n) - first);
    Word block[64];
    for (std::size_t g = 0; g < width; ++g) {
      for (std::size_t c = 0; c < 64; ++c) block[c] = g * 64 + c < columns.size() ? columns[g * 64 + c][word] : 0;
      transpose(block);
      for (std::size_t r = 0; r < n_rows; ++r) rows[(first + r) * width + g] = block[r];
    }
    for (std::size_t r = 0; r < n_rows; ++r) {
      Word hash = 0;
      for (std::size_t g = 0; g < width; ++g) hash = mix(hash ^ rows[(first + r) * width + g]) + g;
      hashes[first + r] = hash;
    }
  });

  // Open addressing: a slot holds 1 + the number of a pattern. The table grows so that at most half of it is used.
  Patterns found;
  std::vector<std::uint64_t> slots(1024, 0);
  const auto same = [&](std::size_t a, std::size_t b) {
    return std::equal(rows.begin() + static_cast<std::ptrdiff_t>(a * width),
                      rows.begin() + static_cast<std::ptrdiff_t>((a + 1) * width),
                      rows.begin() + static_cast<std::ptrdiff_t>(b * width));
  };
  const auto insert = [&](std::size_t row) {
    std::size_t slot = hashes[row] & (slots.size() - 1);
    while (slots[slot] != 0 && !same(static_cast<std::size_t>(found.first[slots[slot] - 1]), row))
      slot = (slot + 1) & (slots.size() - 1);
    if (slots[slot] != 0) {
      ++found.multiplicity[slots[slot] - 1];
      return;
    }
    found.first.push_back(static_cast<std::int64_t>(row));
    found.multiplicity.push_back(1);
    slots[slot] = found.first.size();
    if (found.first.size() * 2 < slots.size()) return;
    slots.assign(slots.size() * 2, 0);
    for (std::size_t i = 0; i < found.first.size(); ++i) {
      std::size_t free = hashes[static_cast<std::size_t>(found.first[i])] & (slots.size() - 1);
      while (slots[free] != 0) free = (free + 1) & (slots.size() - 1);
      slots[free] = i + 1;
    }
  };
  parallel_for(1, 1, monitor, [&](std::int64_t, int thread, Watch& watch) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(n); ++row) {
      if (row % 65536 == 0) watch.check(thread);
      insert(row);
    }
  });
  return found;
}

}  // namespace askew
