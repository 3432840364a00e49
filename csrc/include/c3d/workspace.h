// The default Context: memory and threads that are kept from call to call.
//
//   c3d::Workspace workspace;
//   c3d::Status status = c3d::cpu::splat_points(args, workspace.context());
#pragma once

#include "c3d/api.h"

namespace c3d {

// One call at a time; for several at once, several of them. What memory there is not, an op says.
class C3D_API Workspace {
 public:
  explicit Workspace(int num_threads = 0);  // < 1: one per hardware thread
  ~Workspace();  // joins the threads, frees the memory
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // For the next call, which gets the memory of the one before: that must have returned.
  Context context();

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace c3d
