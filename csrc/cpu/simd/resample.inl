// Adding the weights of rows to the sums of the itemsets that they contain.

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
