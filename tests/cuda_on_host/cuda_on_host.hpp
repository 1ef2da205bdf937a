// What the kernels use of CUDA, for a compiler that knows nothing of it. A block's threads are fibers: one runs until
// it waits for others, then the next. Blocks follow one another. Included before the kernels.
#pragma once

#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))

namespace cuda_on_host {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

inline Index thread_index, block_index, block_size;

constexpr int kLanes = 32;

void wait_for_block();

// Gives every lane of the calling thread's warp a value, and returns those of all of them. All must call it.
const std::uint64_t* exchange(std::uint64_t value);

inline int lane() { return static_cast<int>(thread_index.x) % kLanes; }

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T lane_value(const std::uint64_t* values, int source) {
  T value;
  std::memcpy(&value, values + source, sizeof(T));
  return value;
}

}  // namespace cuda_on_host

#define threadIdx cuda_on_host::thread_index
#define blockIdx cuda_on_host::block_index
#define blockDim cuda_on_host::block_size

inline void __syncthreads() { cuda_on_host::wait_for_block(); }

template <class T>
T __shfl_sync(unsigned, T value, int source) {
  return cuda_on_host::lane_value<T>(cuda_on_host::exchange(cuda_on_host::to_bits(value)), source);
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return cuda_on_host::lane_value<T>(cuda_on_host::exchange(cuda_on_host::to_bits(value)), cuda_on_host::lane() ^ mask);
}

template <class T>
T __shfl_up_sync(unsigned, T value, int distance) {
  const int source = cuda_on_host::lane() - distance;
  return cuda_on_host::lane_value<T>(cuda_on_host::exchange(cuda_on_host::to_bits(value)),
                                     source < 0 ? cuda_on_host::lane() : source);
}

inline unsigned __ballot_sync(unsigned, int predicate) {
  const std::uint64_t* values = cuda_on_host::exchange(predicate != 0);
  unsigned ballot = 0;
  for (int i = 0; i < cuda_on_host::kLanes; ++i) ballot |= static_cast<unsigned>(values[i]) << i;
  return ballot;
}

inline unsigned __reduce_add_sync(unsigned, unsigned value) {
  const std::uint64_t* values = cuda_on_host::exchange(value);
  unsigned sum = 0;
  for (int i = 0; i < cuda_on_host::kLanes; ++i) sum += static_cast<unsigned>(values[i]);
  return sum;
}

inline int __popcll(unsigned long long word) { return __builtin_popcountll(word); }
inline int __ffsll(long long word) { return __builtin_ffsll(word); }

template <class T>
T atomicAdd(T* address, T value) {
  const T old = *address;
  *address += value;
  return old;
}

template <class T>
T atomicMin(T* address, T value) {
  const T old = *address;
  if (value < old) *address = value;
  return old;
}
