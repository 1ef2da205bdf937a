// ASKEW_INLINE marks the functions of csrc/core. Internal linkage matters: the same header is compiled for several SIMD
// levels, and the linker must not replace one level's copy by another's. Under nvcc they are device functions as well.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define ASKEW_INLINE static __host__ __device__ __forceinline__
#else
#define ASKEW_INLINE static inline
#endif
