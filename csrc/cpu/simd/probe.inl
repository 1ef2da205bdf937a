// What the processor can do at best at the four things that the kernels are made of, to compare the kernels with. Each
// probe gives a value that depends on all of its work, so that no work can be left out.

// The compiler must not see that a repetition does what the one before did.
inline void forget_memory() { asm volatile("" ::: "memory"); }

// Reading: the exclusive or of all words.
Word probe_read(const Word* data, std::int64_t n_words) {
  constexpr int kUnrolled = 8;
  Halves total[kUnrolled] = {};
  constexpr std::int64_t kStep = kUnrolled * kVectorBytes / 8;
  std::int64_t word = 0;
  for (; word + kStep <= n_words; word += kStep)
    for (int i = 0; i < kUnrolled; ++i) {
      Halves x;
      std::memcpy(&x, data + word + i * (kVectorBytes / 8), kVectorBytes);
      total[i] ^= x;
    }
  Word result = 0;
  for (int i = 0; i < kUnrolled; ++i) {
    Word words[kVectorBytes / 8];
    std::memcpy(words, &total[i], kVectorBytes);
    for (const Word w : words) result ^= w;
  }
  for (; word < n_words; ++word) result ^= data[word];
  return result;
}

// Counting: ones in the conjunctions of kTile columns with as many others, over and over. Column i begins at word
// i * n_words.
std::int64_t probe_count(const Word* columns, std::int64_t n_words, std::int64_t n_repeats) {
  const Word *rows[kTile], *tails[kTile];
  for (int i = 0; i < kTile; ++i) {
    rows[i] = columns + i * n_words;
    tails[i] = columns + (kTile + i) * n_words;
  }
  std::int64_t counts[kTile * kTile] = {}, ones = 0;
  for (std::int64_t repeat = 0; repeat < n_repeats; ++repeat) {
    count_tile(nullptr, 0, rows, kTile, tails, kTile, n_words, counts, kTile, nullptr);
    forget_memory();
  }
  for (const std::int64_t count : counts) ones += count;
  return ones;
}

// Generating: the or of the weights of rows 0 … n_rows - 1 in the first block of replicates.
std::uint8_t probe_weights(const Draws& draws, std::int64_t n_rows) {
  const WeightGenerator draw{weights_key(draws), {}, 0, draws.distribution->uniform_bits};
  Bytes total[kBlockVectors] = {};
  for (std::int64_t row = 0; row < n_rows; ++row) {
    alignas(64) std::uint8_t weights[kBlockReplicates];
    draw(static_cast<std::uint64_t>(row), weights);
    for (int v = 0; v < kBlockVectors; ++v) {
      Bytes drawn;
      std::memcpy(&drawn, weights + v * kVectorBytes, kVectorBytes);
      total[v] |= drawn;
    }
  }
  std::uint8_t all = 0;
  for (int v = 0; v < kBlockVectors; ++v)
    for (int i = 0; i < kVectorBytes; ++i) all = static_cast<std::uint8_t>(all | total[v][i]);
  return all;
}

// Adding: kBlockReplicates weights to the 8-bit sums of each of some itemsets, over and over.
void probe_add(const std::uint8_t* weights, std::uint8_t* sum8, std::int64_t n_itemsets, std::int64_t n_repeats) {
  Bytes weight[kBlockVectors];
  std::memcpy(weight, weights, kBlockReplicates);
  for (std::int64_t repeat = 0; repeat < n_repeats; ++repeat) {
    for (std::int64_t itemset = 0; itemset < n_itemsets; ++itemset) {
      Bytes* sum = reinterpret_cast<Bytes*>(sum8 + itemset * kBlockReplicates);
      for (int v = 0; v < kBlockVectors; ++v) sum[v] += weight[v];
    }
    forget_memory();
  }
}
