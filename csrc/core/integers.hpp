// Integers of fixed width, also for NVRTC, which has no standard library.
#pragma once

#if defined(__CUDACC_RTC__)
namespace std {
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned int;
#if defined(_WIN32)
using int64_t = long long;
using uint64_t = unsigned long long;
#else
using int64_t = long;
using uint64_t = unsigned long;
#endif
}  // namespace std
#else
#include <cstdint>
#endif
