// Adding the weights of rows to the sums of the itemsets that they contain.

constexpr int kBlockVectors = kBlockReplicates / kVectorBytes;

typedef std::uint16_t LooseHalves __attribute__((vector_size(kVectorBytes), aligned(2), may_alias));

// 8-bit sums as 16-bit ones, of even and of odd lanes.
struct Widened {
  Halves even[kBlockVectors] = {}, odd[kBlockVectors] = {};

  void add(const Bytes (&sum8)[kBlockVectors]) {
    for (int v = 0; v < kBlockVectors; ++v) {
      const Halves both = reinterpret_cast<Halves>(sum8[v]);
      even[v] += both & 0x00FF;
      odd[v] += both >> 8;
    }
  }
};

// Adds to the 16-bit sums of an itemset what `n_flushes` flushes could have held.
inline void add16(const Accumulators& sums, std::int64_t itemset, const Widened& widened, int n_flushes) {
  if (sums.flushes[itemset] + n_flushes > sums.max_flushes) {
    sums.spill(sums.context, itemset);
    sums.flushes[itemset] = 0;
  }
  sums.flushes[itemset] = static_cast<std::uint16_t>(sums.flushes[itemset] + n_flushes);
  LooseHalves* sum16 = reinterpret_cast<LooseHalves*>(sums.sum16 + itemset * kBlockReplicates);
  for (int v = 0; v < kBlockVectors; ++v) {
    sum16[v] += widened.even[v];
    sum16[kBlockVectors + v] += widened.odd[v];
  }
}

inline void flush(const Accumulators& sums, std::int64_t itemset) {
  Bytes* sum8 = reinterpret_cast<Bytes*>(sums.sum8 + itemset * kBlockReplicates);
  Bytes sum[kBlockVectors];
  Widened widened;
  for (int v = 0; v < kBlockVectors; ++v) {
    sum[v] = sum8[v];
    sum8[v] = Bytes{};
  }
  widened.add(sum);
  add16(sums, itemset, widened, 1);
}

// Adds weights, entry by entry; `weights` are those of the row of the entry before. There is no branch in it that
// depends on the data.
inline void add(const std::uint32_t*& entry, const std::uint32_t* end, const std::uint8_t*& weights,
                std::uint8_t* sum8) {
  for (; entry != end; ++entry) {
    weights += (*entry & kSkippedRows) * kBlockReplicates;
    const Bytes* weight = reinterpret_cast<const Bytes*>(weights);
    Bytes* sum = reinterpret_cast<Bytes*>(sum8 + (*entry & ~kSkippedRows));
    for (int v = 0; v < kBlockVectors; ++v) sum[v] += weight[v];
  }
}

// The weights of a row's unit in a block of replicates.
struct UnitWeights {
  const RowUnits units;
  const std::uint64_t first_row;
  const WeightGenerator draw;

  void operator()(std::uint16_t row, std::uint8_t* out) const {
    const std::uint64_t unit = units.of_row == nullptr ? first_row + row : units.of_row[row];
    if (units.drawn)
      draw(unit, out);
    else
      std::memset(out, 0, kBlockReplicates);
    if (units.changes != nullptr) change(*units.changes, unit, out);
  }

  static void change(const Changes& changes, std::uint64_t unit, std::uint8_t* weights) {
    const Changes::Group& group = changes.groups[unit / kWordBits];
    const Word place = Word{1} << unit % kWordBits;
    if ((group.units & place) == 0) return;
    const std::uint32_t i = group.before + static_cast<std::uint32_t>(__builtin_popcountll(group.units & (place - 1)));
    for (std::uint32_t c = changes.starts[i]; c < changes.starts[i + 1]; ++c) {
      const std::uint8_t code = changes.codes[c];
      weights[code % kTaken] = static_cast<std::uint8_t>(weights[code % kTaken] + (code < kTaken ? 1 : -1));
    }
  }
};

// Draws the weights of a tile's rows, and adds them to the sums of the rarer itemsets: while those of a batch are
// drawn, those of the batch before are added, for drawing keeps the arithmetic ports busy and adding the memory ports.
// Equal shares of the entries, not those of one row after another, so that the number of turns of the inner loop hardly
// changes and is predicted.
inline void draw_tile(const Incidence& piece, const Incidence::Tile* tile, const UnitWeights& draw,
                      std::uint8_t* weights, const Accumulators& sums) {
  const std::uint32_t* entry = piece.entries + piece.batches[tile->batch].entry;
  const std::uint8_t *drawn = weights, *next = weights;
  for (std::uint32_t batch = tile[0].batch; batch <= tile[1].batch; ++batch) {
    const std::uint32_t* end = piece.entries + piece.batches[batch].entry;  // of the batch before
    if (batch > tile[0].batch)
      for (std::uint32_t i = piece.batches[batch - 1].flush; i < piece.batches[batch].flush; ++i)
        flush(sums, piece.flushes[i]);
    if (batch < tile[1].batch) {
      const std::int64_t share = (end - entry) / kRowsPerBatch;
      for (std::uint32_t row = piece.batches[batch].row; row < piece.batches[batch + 1].row; ++row) {
        draw(piece.rows[row], weights);
        weights += kBlockReplicates;
        add(entry, entry + share, drawn, sums.sum8);
      }
    }
    add(entry, end, drawn, sums.sum8);
    drawn = next;  // the first row of this batch
    next = weights;
  }
  std::memset(weights, 0, kBlockReplicates);  // behind the last row
}

// Adds the weights of a tile's rows to the 16-bit sums of the frequent itemsets, from registers.
inline void add_runs(const Incidence& piece, std::int64_t tile, const std::uint8_t* weights, const Accumulators& sums) {
  const std::uint16_t* run = piece.runs + piece.tiles[tile].run;
  const std::uint8_t* quads = piece.quads + tile * piece.n_frequent;
  const int max_rows = sums.rows_per_flush / kRowsPerQuad * kRowsPerQuad;
  for (std::int64_t f = 0; f < piece.n_frequent; ++f) {
    Widened widened;
    int n_flushes = 0;
    for (int left = quads[f] * kRowsPerQuad; left > 0; ++n_flushes) {
      const std::uint16_t* end = run + (left < max_rows ? left : max_rows);
      left -= max_rows;
      Bytes sum[kBlockVectors] = {};
      for (; run != end; run += kRowsPerQuad)
        for (int i = 0; i < kRowsPerQuad; ++i)
          for (int v = 0; v < kBlockVectors; ++v) sum[v] += reinterpret_cast<const Bytes*>(weights + run[i])[v];
      widened.add(sum);
    }
    if (n_flushes > 0) add16(sums, piece.frequent[f], widened, n_flushes);
  }
}

void accumulate(const Incidence& piece, std::uint64_t first_row, const RowUnits& units, const Draws& draws,
                std::uint32_t block, const Accumulators& accumulators) {
  const Accumulators sums = accumulators;  // a copy that no store can reach
  const UnitWeights draw{units, first_row, {weights_key(draws), {}, block, draws.distribution->uniform_bits}};
  alignas(64) std::uint8_t weights[(kRowsPerTile + 1) * kBlockReplicates];
  for (std::int64_t tile = 0; tile < piece.n_tiles; ++tile) {
    draw_tile(piece, piece.tiles + tile, draw, weights, sums);
    add_runs(piece, tile, weights, sums);
  }
}
