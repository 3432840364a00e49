// The threads that ops run on under torch.
#pragma once

#include "c3d/api.h"

namespace c3d::bindings {

// As many as torch has, kept for the process. A call that finds them at work for another, from another thread of Python's,
// runs on its own thread alone.
Executor threads();

}  // namespace c3d::bindings
