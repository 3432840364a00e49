#!/usr/bin/env bash
# Installs the wheel of dist/ (`make wheel`) into fresh environments of several Pythons and torch releases and runs the op
# tests there, away from the sources:
#
#   benchmarks/wheel_check.sh [INTERPRETER=TORCH ...]      e.g. python3.12=2.14.1
#
# Prints the wheel's size, which must be under 40 MB, and what passed where.
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
wheel=$(ls "$repo"/dist/c3drender-*-cp310-abi3-*.whl)
bytes=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $((bytes / 1000000)).$((bytes / 100000 % 10)) MB"
if ((bytes >= 40000000)); then
  echo "the wheel must be under 40 MB" >&2
  exit 1
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/tests"
cd "$repo/python_tests"
cp -r conftest.py reference.py twin_cases.py golden test_{splat,trace,blend,holes,inpaint,drift,gradients,torch,device}.py \
  "$place/tests"
cd "$place/tests"
[[ $# -gt 0 ]] || set -- python3=2.13.0 python3=2.14.1
for pair in "$@"; do
  "${pair%%=*}" -m venv "$place/venv"
  "$place/venv/bin/pip" install -q --no-cache-dir "torch==${pair#*=}" pytest "$wheel"
  "$place/venv/bin/python" - <<'PYTHON'
import sys, torch
from c3drender import _C
assert _C.__file__.startswith(sys.prefix), _C.__file__
cuda = "with" if _C.has_cuda() else "without"
print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, {cuda} the CUDA half", end=": ", flush=True)
PYTHON
  "$place/venv/bin/python" -m pytest -q -p no:cacheprovider >"$place/log" || {
    cat "$place/log"
    exit 1
  }
  tail -1 "$place/log"
  rm -rf "$place/venv"
done
