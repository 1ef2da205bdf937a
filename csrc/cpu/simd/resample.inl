// Adding the weights of rows to the sums of the itemsets that they contain.

constexpr int kBlockVectors = kBlockReplicates / kVectorBytes;

inline void widen(const Accumulators& sums, std::int64_t itemset) {
  std::uint8_t* sum8 = sums.sum8 + itemset * kBlockReplicates;
  std::uint16_t* sum16 = sums.sum16 + itemset * kBlockReplicates;
  for (int i = 0; i < kBlockReplicates; ++i) sum16[i] = static_cast<std::uint16_t>(sum16[i] + sum8[i]);
  std::memset(sum8, 0, kBlockReplicates);
  if (++sums.flushes[itemset] < sums.max_flushes) return;
  sums.flushes[itemset] = 0;
  sums.spill(sums.context, itemset);
}

// Adds weights, entry by entry; `weights` are those of the row that `entry` belongs to. There is no branch in it that
// depends on the data.
inline void add(const std::uint32_t*& entry, const std::uint32_t* end, const std::uint8_t*& weights,
                std::uint8_t* sum8) {
  static_assert(2 * kLastOfRow == kBlockReplicates);
  for (; entry != end; ++entry) {
    const std::uint32_t e = *entry;
    const Bytes* weight = reinterpret_cast<const Bytes*>(weights);
    Bytes* sum = reinterpret_cast<Bytes*>(sum8 + (e & ~kLastOfRow));
    for (int v = 0; v < kBlockVectors; ++v) sum[v] += weight[v];
    weights += 2 * (e & kLastOfRow);
  }
}

// While the weights of a batch of rows are drawn, those of the batch before are added: drawing keeps the arithmetic
// ports busy, adding the memory ports. Equal shares of the entries, not those of one row after another, so that the
// number of turns of the inner loop hardly changes and is predicted.
void accumulate(const Incidence& piece, std::uint64_t first_row, const Draws& draws, std::uint32_t block,
                const Accumulators& sums) {
  const WeightGenerator draw{weights_key(draws), {}, block, draws.distribution->uniform_bits};
  alignas(64) std::uint8_t weights[2][kRowsPerBatch][kBlockReplicates];
  const std::int64_t n_batches = (piece.n_rows + kRowsPerBatch - 1) / kRowsPerBatch;
  const std::uint32_t* entry = piece.entries;
  for (std::int64_t batch = 0; batch <= n_batches; ++batch) {
    const std::uint32_t* end = piece.entries + piece.starts[batch];
    const std::int64_t share = (end - entry) / kRowsPerBatch;
    const std::uint8_t* drawn = weights[(batch + 1) % 2][0];
    std::uint8_t* out = weights[batch % 2][0];
    if (batch > 0)
      for (std::uint32_t i = piece.flush_starts[batch - 1]; i < piece.flush_starts[batch]; ++i)
        widen(sums, piece.flushes[i]);
    const std::int64_t begin = batch * kRowsPerBatch, left = piece.n_rows - begin;
    for (std::int64_t i = 0; i < left && i < kRowsPerBatch; ++i) {
      draw(first_row + piece.rows[begin + i], out + i * kBlockReplicates);
      add(entry, entry + share, drawn, sums.sum8);
    }
    add(entry, end, drawn, sums.sum8);
  }
}
