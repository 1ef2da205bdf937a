#define ASKEW_SIMD_LEVEL avx2
#include "cpu/simd_kernels.inl"
