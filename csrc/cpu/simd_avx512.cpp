#define ASKEW_SIMD_LEVEL avx512
#include "cpu/simd_kernels.inl"
