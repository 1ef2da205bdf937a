// All kernels. Every parameter is a pointer or an integer of 64 bits, so that one way of launching serves them all.
#pragma once

#include "cuda/count.cuh"
#include "cuda/members.cuh"
#include "cuda/pack.cuh"
#include "cuda/probe.cuh"
#include "cuda/resample.cuh"
#include "cuda/resample_patterns.cuh"

#define ASKEW_KERNELS(X) \
  X(pack)                \
  X(count)               \
  X(members)             \
  X(resample_poisson)    \
  X(resample_poisson32)  \
  X(resample_patterns)   \
  X(probe_read)          \
  X(probe_count)         \
  X(probe_weights)       \
  X(probe_add)
