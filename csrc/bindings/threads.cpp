#include "threads.h"

#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "call.h"
#include "host/pool.h"

namespace c3d::bindings {
namespace {

std::mutex in_use;

// That this process may run on; 0: not known.
int num_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(getpid(), sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// With `in_use` held. Of more threads than cores some would wait for one while others wait for them: work is parted among as
// many as were asked for, and done by no more than there are cores. Never joined at exit, when the system ends its threads;
// nor in the child of a fork, which has none of them.
Pool& pool_of(int num_threads) {
  static Pool* pool = nullptr;
  static int num_asked = 0;
  static pid_t owner = 0;
  const pid_t process = getpid();
  if (pool && owner == process && num_asked == num_threads) return *pool;
  if (owner == process) delete pool;
  const int cores = num_cores();
  pool = new Pool(cores > 0 ? std::min(num_threads, cores) : num_threads);
  num_asked = num_threads;
  owner = process;
  return *pool;
}

}  // namespace

Executor threads() {
  const int num_threads = static_cast<int>(torch::stable::get_num_threads());
  const auto run = [](void* user, int64_t num_tasks, void (*task)(void*, int64_t), void* task_user) {
    const std::unique_lock<std::mutex> lock(in_use, std::try_to_lock);
    if (lock) return pool_of(static_cast<int>(reinterpret_cast<intptr_t>(user))).run(num_tasks, task, task_user);
    for (int64_t i = 0; i < num_tasks; ++i) task(task_user, i);
  };
  return {run, reinterpret_cast<void*>(static_cast<intptr_t>(num_threads)), num_threads};
}

}  // namespace c3d::bindings
