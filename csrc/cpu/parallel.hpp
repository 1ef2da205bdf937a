// A parallel loop over tasks, watched from the calling thread: that is how Ctrl-C and progress get through.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace askew {

// Called from the calling thread with (tasks done, tasks in all), when a loop begins and then about every 10 ms. It
// stops the loop by throwing.
using Monitor = std::function<void(std::int64_t done, std::int64_t total)>;

// State of a running loop. A task that takes more than milliseconds calls check() now and then.
class Watch {
 public:
  Watch(std::int64_t n_tasks, const Monitor& monitor) : n_tasks_(n_tasks), monitor_(monitor) {}

  // Throws when the loop is to stop; on the calling thread (number 0), looks at the monitor.
  void check(int thread) {
    if (stop_) throw Stopped{};
    if (thread != 0 || !monitor_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < std::chrono::milliseconds(10)) return;
    last_look_ = now;
    monitor_(done_, n_tasks_);
  }

 private:
  struct Stopped {};

  template <class Body>
  friend void parallel_for(std::int64_t, int, const Monitor&, const Body&);

  template <class Body>
  void work(int thread, const Body& body) {
    try {
      for (std::int64_t task; (task = next_++) < n_tasks_; ++done_) {
        check(thread);
        body(task, thread, *this);
      }
    } catch (const Stopped&) {
    } catch (...) {
      fail();
    }
  }

  void fail() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
    stop_ = true;
  }

  const std::int64_t n_tasks_;
  const Monitor& monitor_;
  std::chrono::steady_clock::time_point last_look_{};
  std::atomic<std::int64_t> next_{0}, done_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards error_ and helpers_running_
  std::condition_variable helper_ended_;
  std::exception_ptr error_;
  int helpers_running_ = 0;
};

// Runs body(task, thread, watch) once for each task = 0 … n_tasks - 1, on up to n_threads threads of which the caller
// is number 0. The first exception stops the loop and is thrown again here, after every thread has ended.
template <class Body>
void parallel_for(std::int64_t n_tasks, int n_threads, const Monitor& monitor, const Body& body) {
  n_threads = static_cast<int>(std::clamp<std::int64_t>(n_threads, 1, std::max<std::int64_t>(n_tasks, 1)));
  Watch watch(n_tasks, monitor);
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<std::size_t>(n_threads) - 1);
  for (int thread = 1; thread < n_threads; ++thread) {
    const auto running = [&watch](int change) {
      const std::lock_guard<std::mutex> lock(watch.mutex_);
      watch.helpers_running_ += change;
      if (change < 0) watch.helper_ended_.notify_one();
    };
    running(+1);
    try {
      helpers.emplace_back([&watch, &body, running, thread] {
        watch.work(thread, body);
        running(-1);
      });
    } catch (const std::system_error&) {  // no more threads to be had: go on with those there are
      running(-1);
      break;
    }
  }
  watch.work(0, body);
  for (;;) {  // the caller is out of tasks: keep watching while the helpers end
    {
      std::unique_lock<std::mutex> lock(watch.mutex_);
      const auto ended = [&watch] { return watch.helpers_running_ == 0; };
      if (watch.helper_ended_.wait_for(lock, std::chrono::milliseconds(50), ended)) break;
    }
    try {
      watch.check(0);
    } catch (const Watch::Stopped&) {
    } catch (...) {
      watch.fail();
    }
  }
  for (std::thread& helper : helpers) helper.join();
  if (watch.error_) std::rethrow_exception(watch.error_);
}

}  // namespace askew
