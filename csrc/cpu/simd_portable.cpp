#define ASKEW_SIMD_LEVEL portable
#include "cpu/simd_kernels.inl"
