// Loops over an Executor.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "c3d/api.h"
#include "scratch.h"

namespace c3d::cpu {

template <typename Body>  // body(i)
void parallel_tasks(const Executor& executor, int64_t num_tasks, const Body& body) {
  if (num_tasks <= 0) return;
  executor.run(
      executor.user, num_tasks, [](void* user, int64_t i) { (*static_cast<const Body*>(user))(i); }, const_cast<Body*>(&body));
}

// body(worker, i, next) for i in [0, num_items), `next` the worker's item after this one, num_items if it has none. worker <
// executor.num_threads owns scratch. Workers begin in parts of their own (beyond kMostParts they share them), then help the
// others: two that write to one fresh page of 2 MB would both have the system clear it.
template <typename Body>
void parallel_items_ahead(const Executor& executor, int64_t num_items, const Body& body) {
  constexpr int64_t kMostParts = 64;  // on the stack
  struct alignas(64) Part {  // a line of the cache each
    std::atomic<int64_t> unclaimed;
    int64_t end;
  };
  Part parts[kMostParts];
  const int64_t num_workers = std::min<int64_t>(executor.num_threads, num_items),
                num_parts = std::min(num_workers, kMostParts);
  for (int64_t p = 0; p < num_parts; ++p) {
    parts[p].unclaimed.store(num_items * p / num_parts, std::memory_order_relaxed);
    parts[p].end = num_items * (p + 1) / num_parts;
  }
  parallel_tasks(executor, num_workers, [&](int64_t worker) {
    int64_t tried = 0;  // parts in which nothing is left, from the worker's own on
    const auto claim = [&] {
      for (; tried < num_parts; ++tried) {
        Part& part = parts[(worker + tried) % num_parts];
        if (const int64_t i = part.unclaimed.fetch_add(1, std::memory_order_relaxed); i < part.end) return i;
      }
      return num_items;
    };
    for (int64_t i = claim(), next; i < num_items; i = next) {
      next = claim();
      body(static_cast<int>(worker), i, next);
    }
  });
}

// body(worker, i), by one thread alone where there are not min_part items for each.
template <typename Body>
void parallel_items(const Executor& executor, int64_t num_items, const Body& body, int64_t min_part = 1) {
  Executor few = executor;
  few.num_threads = static_cast<int>(std::min<int64_t>(executor.num_threads, std::max<int64_t>(num_items / min_part, 1)));
  parallel_items_ahead(few, num_items, [&](int worker, int64_t i, int64_t) { body(worker, i); });
}

// body(begin, end) over [0, num_items) in equal parts, at most one per thread and none under min_part items.
template <typename Body>
void parallel_ranges(const Executor& executor, int64_t num_items, int64_t min_part, const Body& body) {
  const int64_t most = std::min(num_items, std::max<int64_t>(num_items / min_part, 1));
  const int64_t num_parts = std::min<int64_t>(most, executor.num_threads);
  parallel_tasks(executor, num_parts, [&](int64_t i) { body(num_items * i / num_parts, num_items * (i + 1) / num_parts); });
}

}  // namespace c3d::cpu
