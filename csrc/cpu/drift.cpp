// drift_points on the CPU: a fluid's points at one moment of the loop.
#include <atomic>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

struct Part {
  DriftPointsArgs args;
  int64_t begin, end;  // points
};

struct StrayPart {  // in which neighbours are looked for that are no points
  const DriftPointsArgs* args;
  int64_t begin, end;  // points
  std::atomic<bool>* found;
};

C3D_INLINE void drift_body(const Part& part) {
  for (int64_t i = part.begin; i < part.end; ++i) drift_point(part.args, i);
}

C3D_INLINE void find_strays_body(const StrayPart& part) {
  bool found = false;
  for (int64_t i = part.begin; i < part.end; ++i) {
    found |= !is_point(*part.args, part.args->right[i]);
    found |= !is_point(*part.args, part.args->below[i]);
  }
  if (found) part.found->store(true, std::memory_order_relaxed);
}

C3D_DISPATCH(find_strays, find_strays_body, const StrayPart&)
C3D_DISPATCH(drift_part, drift_body, const Part&)

}  // namespace

Status drift_points(const DriftPointsArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  std::atomic<bool> strays{false};
  parallel_ranges(context.executor, args.num_points, 1 << 16,
                  [&](int64_t begin, int64_t end) { find_strays({&args, begin, end, &strays}); });
  if (strays)
    return {StatusCode::kInvalidArgument, "drift_points: right and below must be indices of points, 0..num_points - 1"};
  parallel_ranges(context.executor, args.num_points, 4096,
                  [&](int64_t begin, int64_t end) { drift_part({args, begin, end}); });
  return {};
}

}  // namespace c3d::cpu
