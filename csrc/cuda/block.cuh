// What all kernels share: warps, and the shared memory of a block.
#pragma once

#include "core/integers.hpp"

namespace askew {

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

using Sum64 = unsigned long long;  // the 64-bit integer of atomics and shuffles

// As much as the launch asks for. A kernel that uses it lays it out itself.
extern __shared__ __align__(16) std::uint32_t shared_memory[];

__device__ __forceinline__ int lane_of_warp() { return static_cast<int>(threadIdx.x % kWarp); }
__device__ __forceinline__ int warp_of_block() { return static_cast<int>(threadIdx.x / kWarp); }
__device__ __forceinline__ int warps_per_block() { return static_cast<int>(blockDim.x / kWarp); }

}  // namespace askew
