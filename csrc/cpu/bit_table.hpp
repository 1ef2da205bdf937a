// A table seen both ways, as columns and as rows of bits, from which the rows that contain an itemset are copied to a
// smaller table: what extends the itemset is counted there.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/word_buffer.hpp"

namespace askew {

class BitTable {
 public:
  BitTable() = default;
  // The given columns, as they are; without rows until make_rows().
  BitTable(Columns columns, std::int64_t n_words) : n_words_(n_words), columns_(std::move(columns)) {}

  std::int64_t n_words() const { return n_words_; }
  std::int32_t n_columns() const { return static_cast<std::int32_t>(columns_.size()); }
  const Word* column(std::int32_t c) const { return columns_[static_cast<std::size_t>(c)]; }

  // Rows are words of 64 columns. Their order is that of a transposition: row i of the columns stands at slot_of(i).
  void make_rows(int n_threads, const Monitor& monitor);
  std::int64_t bytes_of_rows() const { return (n_columns() + kWordBits - 1) / kWordBits * n_words_ * kWordBits * 8; }
  std::int64_t words_per_row() const { return n_row_words_; }  // 0: there are none
  const Word* row_words(std::int64_t word) const { return rows_[static_cast<std::size_t>(word)].data(); }
  // Column c is bit place(c) % 64 of word place(c) / 64 of a row. Places rise with columns.
  std::int32_t place(std::int32_t c) const { return places_[static_cast<std::size_t>(c)]; }
  // The slots of the rows that are ones of a column.
  void slots_of(const Word* column, std::vector<std::uint32_t>& slots) const;

  // Becomes the rows of `from`, which has rows, at `slots`, and those of its columns that are `kept` (ascending).
  void project(const BitTable& from, const std::vector<std::uint32_t>& slots, const std::vector<std::int32_t>& kept);

 private:
  std::int64_t n_words_ = 0, n_row_words_ = 0;
  Columns columns_;
  std::vector<WordBuffer> rows_;  // [word of a row][slot of the row]; at least n_row_words_
  std::vector<std::int32_t> places_;
  WordBuffer own_columns_;
};

}  // namespace askew
