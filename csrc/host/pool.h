// Threads that are kept from run to run, and wait asleep.
//
// OpenMP's spin at each barrier, while the one that they wait for may be off its core: beside one busy process ops with many
// short runs took several times as long as alone. Here nobody waits for a thread that has not begun, since whoever runs takes
// its share, too; and nobody spins for longer than it takes to wake up.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace c3d {

class Pool {
 public:
  explicit Pool(int num_threads) {
    try {
      for (int i = 1; i < num_threads; ++i) threads_.emplace_back([this] { serve(); });
    } catch (const std::exception&) {  // the system gives no more: go on with those there are
    }
  }

  Pool(const Pool&) = delete;

  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stops_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // One run at a time. The caller takes part, and waits for those alone that have begun.
  void run(int64_t num_tasks, void (*task)(void*, int64_t), void* task_user) {
    Job job{task, task_user, num_tasks};
    const int64_t num_helpers = std::min<int64_t>(num_tasks - 1, static_cast<int64_t>(threads_.size()));
    if (num_helpers <= 0) return job.work();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      num_jobs_.fetch_add(1, std::memory_order_release);
    }
    for (int64_t i = 0; i < num_helpers; ++i) wake_.notify_one();
    job.work();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = nullptr;
    }
    spin_while([this] { return num_busy_.load(std::memory_order_acquire) > 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [this] { return num_busy_.load(std::memory_order_relaxed) == 0; });
  }

 private:
  struct Job {
    void (*task)(void*, int64_t);
    void* task_user;
    int64_t num_tasks;
    std::atomic<int64_t> next{0};

    void work() {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < num_tasks;) task(task_user, i);
    }
  };

  // About as long as a sleeping thread takes to wake.
  template <typename Condition>
  static void spin_while(const Condition& condition) {
    constexpr int kMostSpins = 1000;
    for (int i = 0; i < kMostSpins && condition(); ++i) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    }
  }

  void serve() {
    for (uint64_t seen = 0;;) {
      spin_while([&] { return num_jobs_.load(std::memory_order_acquire) == seen; });
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stops_ || (job_ && num_jobs_.load(std::memory_order_relaxed) != seen); });
      if (stops_) return;
      seen = num_jobs_.load(std::memory_order_relaxed);
      Job* job = job_;
      num_busy_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job->work();
      lock.lock();
      if (num_busy_.fetch_sub(1, std::memory_order_release) == 1) idle_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::vector<std::thread> threads_;
  Job* job_ = nullptr;  // while there is work that may be begun
  std::atomic<uint64_t> num_jobs_{0};
  std::atomic<int> num_busy_{0};
  bool stops_ = false;
};

}  // namespace c3d
