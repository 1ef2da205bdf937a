#include <cstring>

#include "cpu/kernels.hpp"

namespace askew {

template <class Offset, class Index>
const char* pack_sparse(const Offset* offsets, std::int64_t n, const Index* indices, std::int64_t n_indices,
                        std::int64_t n_columns, Word* out, int n_threads, const Monitor& monitor) {
  constexpr std::int64_t kLineWords = kBlockBits / kWordBits, kBlocksPerTask = 64;
  const std::int64_t n_words = words_for(n), n_blocks = n_words / kLineWords;
  std::atomic<const char*> wrong{nullptr};
  // A task collects a line of every column in the cache and writes those that have ones: a column of few ones costs
  // few writes, and its zeros are never touched.
  parallel_for((n_blocks + kBlocksPerTask - 1) / kBlocksPerTask, n_threads, monitor,
               [&](std::int64_t task, int thread, Watch& watch) {
                 std::vector<Word> lines(static_cast<std::size_t>(n_columns * kLineWords));
                 for (std::int64_t block = task * kBlocksPerTask;
                      block < std::min(n_blocks, (task + 1) * kBlocksPerTask); ++block) {
                   watch.check(thread);
                   const std::int64_t first = block * kBlockBits, last = std::min(n, first + kBlockBits);
                   for (std::int64_t row = first; row < last; ++row) {
                     const Offset begin = offsets[row], end = offsets[row + 1];
                     if (begin < 0 || end < begin || end > n_indices) {
                       wrong = "offsets of sparse rows must rise within the indices";
                       return;
                     }
                     const Word bit = Word{1} << (row % kWordBits);
                     Word* words = lines.data() + (row - first) / kWordBits;
                     for (Offset i = begin; i < end; ++i) {
                       if (indices[i] < 0) continue;
                       if (indices[i] >= n_columns) {
                         wrong = "sparse rows name a column that does not exist";
                         return;
                       }
                       words[indices[i] * kLineWords] |= bit;
                     }
                   }
                   for (std::int64_t c = 0; c < n_columns; ++c) {
                     Word* line = lines.data() + c * kLineWords;
                     Word any = 0;
                     for (std::int64_t w = 0; w < kLineWords; ++w) any |= line[w];
                     if (any == 0) continue;
                     std::memcpy(out + c * n_words + block * kLineWords, line, kLineWords * sizeof(Word));
                     std::memset(line, 0, kLineWords * sizeof(Word));
                   }
                 }
               });
  return wrong;
}

#define ASKEW_PACK_SPARSE(Offset, Index)                                                                              \
  template const char* pack_sparse(const Offset*, std::int64_t, const Index*, std::int64_t, std::int64_t, Word*, int, \
                                   const Monitor&);
ASKEW_PACK_SPARSE(std::int32_t, std::int32_t)
ASKEW_PACK_SPARSE(std::int32_t, std::int64_t)
ASKEW_PACK_SPARSE(std::int64_t, std::int32_t)
ASKEW_PACK_SPARSE(std::int64_t, std::int64_t)
#undef ASKEW_PACK_SPARSE

}  // namespace askew
