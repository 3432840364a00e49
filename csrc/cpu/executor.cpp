#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "c3d/api.h"

namespace c3d {

Executor make_thread_executor(int num_threads) {
  if (num_threads < 1) num_threads = static_cast<int>(std::thread::hardware_concurrency());
  if (num_threads < 1) num_threads = 1;
  // The thread count travels in the pointer-sized user field: an executor owns nothing and needs no destructor.
  const auto run = [](void* user, int64_t num_tasks, void (*task)(void*, int64_t), void* task_user) {
    std::atomic<int64_t> next{0};
    const auto work = [&] {
      for (int64_t i; (i = next.fetch_add(1)) < num_tasks;) task(task_user, i);
    };
    const int64_t most = static_cast<int64_t>(reinterpret_cast<intptr_t>(user));
    const int64_t num_workers = num_tasks < most ? num_tasks : most;
    std::vector<std::thread> threads;
    try {
      for (int64_t i = 1; i < num_workers; ++i) threads.emplace_back(work);
    } catch (const std::exception&) {  // the system gives no more threads, or no memory: go on with those there are
    }
    work();
    for (auto& thread : threads) thread.join();
  };
  return {run, reinterpret_cast<void*>(static_cast<intptr_t>(num_threads)), num_threads};
}

}  // namespace c3d
