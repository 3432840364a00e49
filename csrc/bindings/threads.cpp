#include "threads.h"

#include <unistd.h>

#include <mutex>

#include "call.h"
#include "host/pool.h"

namespace c3d::bindings {
namespace {

std::mutex in_use;

// With `in_use` held. Never joined at exit, when the system ends its threads; nor in the child of a fork, which has none of
// them.
Pool& pool_of(int num_threads) {
  static Pool* pool = nullptr;
  static pid_t owner = 0;
  const pid_t process = getpid();
  if (pool && owner == process && pool->num_asked() == num_threads) return *pool;
  if (owner == process) delete pool;
  pool = new Pool(num_threads);
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
