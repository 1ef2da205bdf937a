// The inner loops of one SIMD level; the including file defines ASKEW_SIMD_LEVEL and is compiled with that level's
// flags. Nothing here may leave inline functions with external linkage behind (the linker could hand them to a
// processor that cannot run them): so no standard containers, and everything lives in an unnamed namespace.
#include <bit>
#include <cstring>
#include <type_traits>

#include "cpu/simd.hpp"

static_assert(std::endian::native == std::endian::little, "halves of words are taken in this order");

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define ASKEW_STRING_(x) #x
#define ASKEW_STRING(x) ASKEW_STRING_(x)
#define ASKEW_JOIN_(a, b) a##b
#define ASKEW_JOIN(a, b) ASKEW_JOIN_(a, b)

namespace askew {
namespace {

#if defined(__AVX512VPOPCNTDQ__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Compiler vectors of the level's native width, which may stand at any address.
typedef std::uint8_t Bytes __attribute__((vector_size(kVectorBytes), aligned(1), may_alias));
typedef std::uint16_t Halves __attribute__((vector_size(kVectorBytes)));
typedef std::uint32_t Lanes __attribute__((vector_size(kVectorBytes)));

// clang-format off: resampling needs the weights, counting the transposition's vectors
#include "cpu/simd/bits.inl"
#include "cpu/simd/transpose.inl"
#include "cpu/simd/tally.inl"
#include "cpu/simd/pack.inl"
#include "cpu/simd/count.inl"
#include "cpu/simd/weights.inl"
#include "cpu/simd/resample.inl"
#include "cpu/simd/balance.inl"
#include "cpu/simd/summarize.inl"
#include "cpu/simd/probe.inl"
// clang-format on

constexpr SimdKernels kKernels = {ASKEW_STRING(ASKEW_SIMD_LEVEL),
                                  kTallyCosts,
                                  count_tile,
                                  and_columns,
                                  ones_of,
                                  transpose,
                                  wide_rows,
                                  list_rows,
                                  add_rows,
                                  pack_rows,
                                  pack_column,
                                  accumulate,
                                  uniforms,
                                  total_weights,
                                  propose,
                                  weights_of,
                                  summarize_cell,
                                  probe_read,
                                  probe_count,
                                  probe_weights,
                                  probe_add};

}  // namespace

const SimdKernels* ASKEW_JOIN(ASKEW_SIMD_LEVEL, _kernels)() { return &kKernels; }

}  // namespace askew
