// Large memory that nothing is written to before it is used.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace askew {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

template <class T>
using Buffer = std::unique_ptr<T[], Free>;

// Room for `size` numbers. Linux is asked for pages of 2 MiB where that is less than the whole, as NumPy does: 512
// faults for 4 KiB each take longer than what is then written there.
template <class T>
Buffer<T> make_buffer(std::size_t size) {
  static_assert(std::is_trivial_v<T>);
  constexpr std::size_t kHugePage = std::size_t{1} << 21;
  const std::size_t n_bytes = size * sizeof(T);
  void* memory = nullptr;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (n_bytes >= 2 * kHugePage) {
    const std::size_t rounded = (n_bytes + kHugePage - 1) / kHugePage * kHugePage;
    memory = std::aligned_alloc(kHugePage, rounded);
    if (memory != nullptr) madvise(memory, rounded, MADV_HUGEPAGE);  // advice: where it is not taken, nothing is lost
  }
#endif
  if (memory == nullptr) memory = std::malloc(n_bytes == 0 ? 1 : n_bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return Buffer<T>(static_cast<T*>(memory));
}

}  // namespace askew
