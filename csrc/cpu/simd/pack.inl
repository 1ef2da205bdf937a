// From rows of bytes to columns of bits.

constexpr std::int64_t kPackColumns = 256;

std::uint8_t pack_rows(const std::uint8_t* values, std::int64_t row_stride, std::int64_t n_rows, std::int64_t p,
                       Word* out) {
  std::uint8_t seen = 0;
  std::uint8_t bytes[8][kPackColumns];  // bytes[i][c]: rows 8 i … 8 i + 7 of column c, one bit each
  for (std::int64_t begin = 0; begin < p; begin += kPackColumns) {
    const std::int64_t n_columns = p - begin < kPackColumns ? p - begin : kPackColumns;
    for (std::int64_t i = 0; i < 8; ++i) {
      std::uint8_t* byte = bytes[i];
      std::memset(byte, 0, kPackColumns);
      for (std::int64_t bit = 0; bit < 8 && 8 * i + bit < n_rows; ++bit) {
        const std::uint8_t* row = values + (8 * i + bit) * row_stride + begin;
        for (std::int64_t c = 0; c < n_columns; ++c) {
          seen = static_cast<std::uint8_t>(seen | row[c]);
          byte[c] = static_cast<std::uint8_t>(byte[c] | row[c] << bit);
        }
      }
    }
    for (std::int64_t c = 0; c < n_columns; ++c) {
      Word word = 0;
      for (int i = 0; i < 8; ++i) word |= Word{bytes[i][c]} << (8 * i);
      out[begin + c] = word;
    }
  }
  return seen;
}
