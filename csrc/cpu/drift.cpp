// drift_points on the CPU: a fluid's points at one moment of the loop.
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

C3D_INLINE void drift_body(const Part& part) {
  for (int64_t i = part.begin; i < part.end; ++i) drift_point(part.args, i);
}

C3D_DISPATCH(drift_part, drift_body, const Part&)

}  // namespace

Status drift_points(const DriftPointsArgs& args, const Context& context) {
  const Status status = check(args);
  if (!status.ok()) return status;
  parallel_ranges(context.executor, args.num_points, 4096,
                  [&](int64_t begin, int64_t end) { drift_part({args, begin, end}); });
  return {};
}

}  // namespace c3d::cpu
