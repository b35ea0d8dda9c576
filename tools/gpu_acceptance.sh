#!/usr/bin/env bash
# The whole course on a machine with a CUDA GPU, in one command: see CONTRIBUTING.md, "On a CUDA machine".
#   bash tools/gpu_acceptance.sh --out DIR [--python PY] [--seconds 1200] [--work DIR] [--only NAME ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --python) python=$2; shift 2 ;;
    *) rest+=("$1"); shift ;;
  esac
done
exec "$python" -m tools.gpu_acceptance run "${rest[@]}"
