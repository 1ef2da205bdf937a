// Transposition of bits: from columns to rows, 64 columns of 512 rows at a time.

// A vector of words that stays in this unit's register width; lane w is word w of the eight.
typedef Word Words __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));

constexpr int kWordLanes = kVectorBytes / 8;

// Exchanges the bits of `a` above `width` with those of `b` below it, group by group.
inline void exchange(Words& a, Words& b, int width, Word low) {
  const Words swap = ((a >> width) ^ b) & low;
  a ^= swap << width;
  b ^= swap;
}

// Three of the six steps of Warren, Hacker's Delight, section 7-3, on eight rows that stay in registers: rows that are
// `distance`, 2 * distance and 4 * distance apart change places with the bits at those distances.
template <int kDistance>
inline void three_steps(Words* rows, Word low4, Word low2, Word low1) {
  Words x[8];
  for (int i = 0; i < 8; ++i) x[i] = rows[i * kDistance];
  for (int i = 0; i < 4; ++i) exchange(x[i], x[i + 4], 4 * kDistance, low4);
  for (int i = 0; i < 8; i += (i % 4 == 1) ? 3 : 1) exchange(x[i], x[i + 2], 2 * kDistance, low2);
  for (int i = 0; i < 8; i += 2) exchange(x[i], x[i + 1], kDistance, low1);
  for (int i = 0; i < 8; ++i) rows[i * kDistance] = x[i];
}

void transpose(const Word* columns, Word* rows) {
  for (int lane = 0; lane < 8; lane += kWordLanes) {
    Words x[64];
    for (int c = 0; c < 64; ++c) std::memcpy(&x[c], columns + 8 * c + lane, kVectorBytes);
    for (int r = 0; r < 8; ++r)
      three_steps<8>(x + r, 0x00000000FFFFFFFFull, 0x0000FFFF0000FFFFull, 0x00FF00FF00FF00FFull);
    for (int r = 0; r < 64; r += 8)
      three_steps<1>(x + r, 0x0F0F0F0F0F0F0F0Full, 0x3333333333333333ull, 0x5555555555555555ull);
    for (int r = 0; r < 64; ++r) std::memcpy(rows + 8 * r + lane, &x[r], kVectorBytes);
  }
}
