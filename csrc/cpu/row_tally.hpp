// Pairs that have a rare column in common are counted row by row: all columns of the rows that contain it are added up
// at once, in vertical counters.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"
#include "cpu/word_buffer.hpp"

namespace askew {

class RowTally {
 public:
  RowTally() = default;

  // Chooses among the itemsets begin … end - 1 those for which this is estimated to take less time than counting them
  // column by column: pairs, and pairs within a column that very many of them have, such as a group. `ones` are those
  // of the columns.
  RowTally(const std::vector<std::int64_t>& ones, std::int64_t n_words, const Itemsets& itemsets, std::int64_t begin,
           std::int64_t end, int n_threads);

  // Whether itemset begin + i is among them.
  bool has(std::int64_t i) const { return any() && taken_[static_cast<std::size_t>(i)] != 0; }
  bool any() const { return !stems_.empty(); }

  class Sums;
  // Adds n_words words of the columns, from `begin` on.
  void add(const Columns& columns, std::int64_t begin, std::int64_t n_words, Sums& sums) const;
  // out[s] += count, for these itemsets.
  void collect(Sums& sums, std::int64_t* out) const;

 private:
  struct Stem {  // a column, perhaps within another
    std::array<std::int32_t, 2> columns;
    std::int64_t n_columns;
    std::size_t begin, end;  // of its parts
  };
  struct Part {  // what a stem is counted with in a tile: kTallied of the tails
    std::size_t tile, begin, end;
  };
  struct Member {
    std::uint32_t tail;
    std::int64_t itemset;
  };

  std::size_t n_tiles() const { return (tails_.size() + kTallied - 1) / kTallied; }
  void add_block(const Columns& columns, std::int64_t begin, std::int64_t n_words, Sums& sums) const;

  std::vector<std::uint8_t> taken_;
  std::vector<std::int32_t> tails_;  // columns, the most frequent first
  std::vector<Stem> stems_;
  std::vector<Part> parts_;
  std::vector<Member> members_;
};

// The counts of one thread.
class RowTally::Sums {
 public:
  explicit Sums(const RowTally& tally);

  static std::size_t bytes(std::size_t n_tiles, std::size_t n_parts) {
    return n_tiles * kEmptyPlace * sizeof(Word) + n_parts * (sizeof(Planes) + kTallied * sizeof(std::int64_t));
  }

  // The rows of the block that is being added, in a tile.
  Word* rows(std::size_t tile) { return rows_[tile].data(); }
  void add(std::size_t part, std::size_t tile, const std::uint16_t* places, std::int64_t n_units);
  std::int64_t count(std::size_t part, std::uint32_t tail);

 private:
  static constexpr int kPlaneWords = 2 * kRowWords;
  struct Planes {
    alignas(64) Word words[kPlanes * kPlaneWords] = {};
    std::int64_t n_units = 0;  // since they were 0
  };

  void flush(std::size_t part);

  std::vector<WordBuffer> rows_;  // of each tile, and an empty one behind them
  std::vector<Planes> planes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace askew
