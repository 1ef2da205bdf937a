// Runs the kernels of csrc/cuda on the processor, a block after another, each thread of a block as a fiber. It is slow,
// and it is strict: shared memory begins as rubbish and may not be left, every warp and every block must meet where it
// says so.
#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda_on_host.hpp"
// The kernels follow what they run on.
#include "cuda/kernels.cuh"

namespace askew {
constexpr std::size_t kSharedBytes = 256 << 10;
alignas(16) std::uint32_t shared_memory[kSharedBytes / 4];
}  // namespace askew

namespace cuda_on_host {
namespace {

constexpr std::size_t kStackBytes = 64 << 10;
constexpr std::size_t kGuardBytes = 1 << 10;  // behind the shared memory that the launch asked for
constexpr unsigned char kRubbish = 0xA5;

// Threads that wait for one another.
struct Party {
  unsigned present = 0, arrived = 0, turn = 0;

  void arrive() {
    if (++arrived == present) {
      arrived = 0;
      ++turn;
    }
  }
};

struct Warp : Party {
  std::uint64_t values[2][kLanes];  // of this exchange and the one before, which slower lanes still read
};

struct Fiber {
  ucontext_t context;
  jmp_buf point;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};  // not zeroed: most of it is never used
  const Party* waits_for = nullptr;
  unsigned turn = 0;  // of what it waits for
  bool begun = false, done = false;
};

std::vector<Fiber> fibers;
std::vector<Warp> warps;
Party block;
unsigned current;
jmp_buf scheduler;
void (*body)(const std::uint64_t*);
const std::uint64_t* arguments;

void yield_until_turn_of(const Party& party, unsigned turn) {
  Fiber& fiber = fibers[current];
  fiber.waits_for = &party;
  fiber.turn = turn;
  if (party.turn == turn && _setjmp(fiber.point) == 0) _longjmp(scheduler, 1);
}

void enter() {
  body(arguments);
  Fiber& fiber = fibers[current];
  fiber.done = true;
  Warp& warp = warps[current / kLanes];
  if (warp.arrived != 0 || block.arrived != 0) {
    std::fprintf(stderr, "a thread has left while others of its warp or block wait for it\n");
    std::abort();
  }
  --warp.present;
  --block.present;
  _longjmp(scheduler, 1);
}

void resume(unsigned thread) {
  current = thread;
  thread_index = {thread, 0, 0};
  Fiber& fiber = fibers[thread];
  if (_setjmp(scheduler) != 0) return;
  if (fiber.begun) _longjmp(fiber.point, 1);
  fiber.begun = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
  setcontext(&fiber.context);
}

// Threads go from the first to the last in one block and back in the next, so that none can count on coming first.
void run_block(unsigned threads) {
  static bool backwards = false;
  backwards = !backwards;
  for (unsigned left = threads; left > 0;) {
    bool moved = false;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned thread = backwards ? threads - 1 - i : i;
      const Fiber& fiber = fibers[thread];
      if (fiber.done || (fiber.waits_for != nullptr && fiber.waits_for->turn == fiber.turn)) continue;
      moved = true;
      resume(thread);
      if (fiber.done) --left;
    }
    if (!moved) {
      std::fprintf(stderr, "threads wait for others that never come\n");
      std::abort();
    }
  }
}

// Calls a kernel with integers of 64 bits: pointers and integers of that size are all it may take.
template <auto kKernel, class... Parameters>
void call(const std::uint64_t* values, void (*)(Parameters...)) {
  static_assert(((sizeof(Parameters) == 8) && ...));
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    std::tuple<Parameters...> parameters;
    (std::memcpy(&std::get<I>(parameters), values + I, 8), ...);
    std::apply(kKernel, parameters);
  }(std::index_sequence_for<Parameters...>{});
}

template <class... Parameters>
constexpr int arity(void (*)(Parameters...)) {
  return sizeof...(Parameters);
}

struct Kernel {
  const char* name;
  int arity;
  void (*call)(const std::uint64_t*);
};

#define ASKEW_KERNEL(name)             \
  {#name, arity(&askew::askew_##name), \
   [](const std::uint64_t* values) { call<&askew::askew_##name>(values, &askew::askew_##name); }},
const Kernel kKernels[] = {ASKEW_KERNELS(ASKEW_KERNEL)};

}  // namespace

void wait_for_block() {
  const unsigned turn = block.turn;
  block.arrive();
  yield_until_turn_of(block, turn);
}

const std::uint64_t* exchange(std::uint64_t value) {
  Warp& warp = warps[current / kLanes];
  const unsigned turn = warp.turn;
  std::uint64_t* values = warp.values[turn % 2];
  values[lane()] = value;
  warp.arrive();
  yield_until_turn_of(warp, turn);
  return values;
}

}  // namespace cuda_on_host

// Returns what is wrong with the launch, or nullptr.
extern "C" const char* askew_launch(const char* name, unsigned grid_x, unsigned grid_y, unsigned threads,
                                    std::size_t shared_bytes, const std::uint64_t* values, int n_values) {
  using namespace cuda_on_host;
  const Kernel* kernel = nullptr;
  for (const Kernel& candidate : kKernels)
    if (std::strcmp(candidate.name, name) == 0) kernel = &candidate;
  if (kernel == nullptr) return "no such kernel";
  if (kernel->arity != n_values) return "wrong number of arguments";
  if (threads == 0 || threads > 1024 || threads % kLanes != 0) return "blocks must be whole warps, at most 32";
  if (grid_x == 0 || grid_y == 0 || grid_y > 65535) return "grid out of range";
  if (shared_bytes + kGuardBytes > askew::kSharedBytes) return "too much shared memory";

  body = kernel->call;
  arguments = values;
  block_size = {threads, 1, 1};
  auto* shared = reinterpret_cast<unsigned char*>(askew::shared_memory);
  if (fibers.size() < threads) fibers = std::vector<Fiber>(threads);
  for (unsigned y = 0; y < grid_y; ++y)
    for (unsigned x = 0; x < grid_x; ++x) {
      block_index = {x, y, 0};
      std::memset(shared, kRubbish, shared_bytes + kGuardBytes);
      warps.assign(threads / kLanes, Warp{});
      for (Warp& warp : warps) warp.present = kLanes;
      block = {threads, 0, 0};
      for (unsigned t = 0; t < threads; ++t) fibers[t].begun = fibers[t].done = false, fibers[t].waits_for = nullptr;
      run_block(threads);
      for (std::size_t i = shared_bytes; i < shared_bytes + kGuardBytes; ++i)
        if (shared[i] != kRubbish) return "a block has written beyond its shared memory";
    }
  return nullptr;
}
