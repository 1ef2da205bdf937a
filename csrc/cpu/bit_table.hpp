// A table seen both ways, as columns and as rows, from which the rows that contain an itemset are copied to a smaller
// table: what extends the itemset is counted there.
#pragma once

#include <cstdint>
#include <span>
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
  // Or rows are lists of columns, in the same order, which are shorter where the table is wide and sparse. False, and
  // no lists, if they take more than max_bytes.
  bool make_lists(std::int64_t max_bytes);
  std::int64_t bytes_of_lists(std::int64_t n_ones) const { return 4 * (n_ones + n_words_ * kWordBits); }

  bool has_rows() const { return n_row_words_ > 0 || has_lists(); }
  bool has_lists() const { return !list_begins_.empty(); }
  // Of the row at a slot, ascending.
  std::span<const std::int32_t> list(std::uint32_t slot) const {
    return {lists_.data() + list_begins_[slot], lists_.data() + list_begins_[slot + 1]};
  }
  std::int64_t mean_list() const { return std::ssize(lists_) / (n_words_ * kWordBits) + 1; }
  // About how long reading a word of a row takes, those before it being elsewhere: a miss of the L2 cache, or none.
  std::int64_t cycles_per_word() const { return n_row_words_ * n_words_ * kWordBits * 8 > 1 << 22 ? 8 : 2; }
  std::int64_t words_per_row() const { return n_row_words_; }  // 0: rows are lists, or there are none
  const Word* row_words(std::int64_t word) const { return rows_[static_cast<std::size_t>(word)].data(); }
  // Column c is bit place(c) % 64 of word place(c) / 64 of a row. Places rise with columns.
  std::int32_t place(std::int32_t c) const { return places_[static_cast<std::size_t>(c)]; }
  // The slots of the rows that are ones of a column.
  void slots_of(const Word* column, std::vector<std::uint32_t>& slots) const;

  // Becomes the rows of `from` at `slots`, and those of its columns that are `kept` (ascending).
  void project(const BitTable& from, const std::vector<std::uint32_t>& slots, const std::vector<std::int32_t>& kept);
  // About how long another table takes for that, and how much memory, with the list of slots.
  std::int64_t cycles_to_project(std::int64_t n_rows, std::int64_t n_kept) const;
  static std::int64_t bytes_to_project(std::int64_t n_rows, std::int64_t n_kept) {
    return words_for(n_rows) * (8 * n_kept + kWordBits * (8 * (n_kept / kWordBits + 1) + 8));
  }

 private:
  void copy_words(const BitTable& from, const std::vector<std::uint32_t>& slots, const std::vector<std::int32_t>& kept);
  void copy_lists(const BitTable& from, const std::vector<std::uint32_t>& slots, const std::vector<std::int32_t>& kept);
  void copy_columns(const BitTable& from, const std::vector<std::uint32_t>& slots,
                    const std::vector<std::int32_t>& kept, Word* out) const;
  Word* new_row_words();

  std::int64_t n_words_ = 0, n_row_words_ = 0;
  Columns columns_;
  std::vector<WordBuffer> rows_;  // [word of a row][slot of the row]; at least n_row_words_
  std::vector<std::int32_t> places_;
  WordBuffer own_columns_;
  std::vector<std::uint32_t> list_begins_;  // [slot]; one more, for the end of the last
  std::vector<std::int32_t> lists_;
  std::vector<std::int32_t> kept_as_;  // of a column that is projected, its number here; -1 between two projections
};

}  // namespace askew
