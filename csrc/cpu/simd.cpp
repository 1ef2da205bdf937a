#include "cpu/simd.hpp"

#include <atomic>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace askew {
namespace {

std::vector<const SimdKernels*> runnable() {
  std::vector<const SimdKernels*> levels;
#if defined(ASKEW_X86_KERNELS)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
      __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("gfni"))
    levels.push_back(avx512_kernels());
  if (__builtin_cpu_supports("avx2")) levels.push_back(avx2_kernels());
#endif
  levels.push_back(portable_kernels());
  return levels;
}

const SimdKernels* find(const std::string& level) {
  std::ostringstream message;
  message << "no SIMD level '" << level << "' on this processor; it can run:";
  for (const SimdKernels* kernels : runnable()) {
    if (level == kernels->name) return kernels;
    message << ' ' << kernels->name;
  }
  throw std::invalid_argument(message.str());
}

const SimdKernels* by_environment() {
  const char* wanted = std::getenv("ASKEW_SIMD");
  return wanted != nullptr && *wanted != '\0' ? find(wanted) : runnable().front();
}

std::atomic<const SimdKernels*> current{nullptr};

}  // namespace

std::vector<std::string> simd_levels() {
  std::vector<std::string> names;
  for (const SimdKernels* kernels : runnable()) names.emplace_back(kernels->name);
  return names;
}

const SimdKernels& simd() {
  const SimdKernels* kernels = current;
  if (kernels == nullptr) current = kernels = by_environment();
  return *kernels;
}

void force_simd(const std::string& level) { current = level.empty() ? by_environment() : find(level); }

}  // namespace askew
