#include "c3d/workspace.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include "pool.h"

namespace c3d {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLeastBlock = size_t{1} << 20;

// Hands out pieces of blocks. After a call that needed more than one block the next gets a single one of that size.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  ~Arena() { free_all(); }

  void rewind() {
    if (blocks_.size() > 1) free_all();
    used_ = 0;
  }

  void* allocate(size_t num_bytes) {
    if (num_bytes > SIZE_MAX / 2) return nullptr;
    const size_t size = (num_bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (blocks_.empty() || size > blocks_.back().size - used_) {
      if (!add_block(std::max({size, blocks_.empty() ? total_ : 0, kLeastBlock})) && !add_block(size)) return nullptr;
      used_ = 0;
    }
    used_ += size;
    return blocks_.back().memory + (used_ - size);
  }

 private:
  struct Block {
    char* memory;
    size_t size;
  };

  bool add_block(size_t size) {
    char* memory = static_cast<char*>(std::aligned_alloc(kAlignment, std::max(size, kAlignment)));
    if (!memory) return false;
    try {
      blocks_.push_back({memory, size});
    } catch (const std::exception&) {
      std::free(memory);
      return false;
    }
    total_ = blocks_.size() == 1 ? size : total_ + size;
    return true;
  }

  void free_all() {
    for (const Block& block : blocks_) std::free(block.memory);
    blocks_.clear();
  }

  std::vector<Block> blocks_;
  size_t used_ = 0;  // of the last block
  size_t total_ = 0;  // of all blocks, or of those that were there last
};

int at_least_one(int num_threads) {
  if (num_threads < 1) num_threads = static_cast<int>(std::thread::hardware_concurrency());
  return num_threads < 1 ? 1 : num_threads;
}

}  // namespace

struct Workspace::Impl {
  explicit Impl(int num_threads) : pool(num_threads) {}

  Arena arena;
  Pool pool;
};

Workspace::Workspace(int num_threads) : impl_(new(std::nothrow) Impl(at_least_one(num_threads))) {}
Workspace::~Workspace() { delete impl_; }

Context Workspace::context() {
  if (!impl_) return {};  // which every op refuses
  impl_->arena.rewind();
  Context context;
  context.scratch = {[](void* impl, size_t num_bytes) { return static_cast<Impl*>(impl)->arena.allocate(num_bytes); }, impl_};
  context.executor.run = [](void* impl, int64_t num_tasks, void (*task)(void*, int64_t), void* task_user) {
    static_cast<Impl*>(impl)->pool.run(num_tasks, task, task_user);
  };
  context.executor.user = impl_, context.executor.num_threads = impl_->pool.num_threads();
  return context;
}

}  // namespace c3d
