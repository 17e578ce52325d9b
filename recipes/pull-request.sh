#!/usr/bin/env bash
# A change of pinned versions: run the change's TensorFlow and its base's side by side, and say which is faster.
# Needs bash, git and a Python with venv and pip. Arguments go to pytest. docs/ci.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${BASE:=origin/main}"              # what the change is made to: a branch or a commit
: "${CONSTRAINTS:=constraints.txt}"   # the file that pins the versions, on both sides
: "${SIDE:=tensorflow numpy}"         # what the base's environment needs
: "${TESTS:=tests/perf}"
: "${OUT:=results/pull-request}"      # the summary, logs and runs, made anew
: "${PYTHON:=python3}"
: "${VENVS:=.venv-pull-request}"      # a folder for both environments, made anew

rm -rf "$OUT"/{junit.xml,summary.md,storage,logs}  # an earlier change's
mkdir -p "$OUT" "$VENVS"

base=$(git merge-base "$BASE" HEAD)
git show "$base:$CONSTRAINTS" >"$VENVS/base-constraints.txt"
read -r -a side <<<"$SIDE"
"$PYTHON" -m venv --clear "$VENVS/base"
"$VENVS/base/bin/pip" install --quiet --constraint "$VENVS/base-constraints.txt" "${side[@]}"
"$PYTHON" -m venv --clear "$VENVS/head"
"$VENVS/head/bin/pip" install --quiet --constraint "$CONSTRAINTS" --editable '.[report]'

# A run that fails has a summary too, so each command's exit status waits until all have run.
read -r -a tests <<<"$TESTS"
judged=0 told=0
"$VENVS/head/bin/pytest" "${tests[@]}" --against "$VENVS/base/bin/python" \
    --benchmark-storage "file://$OUT/storage" --benchmark-autosave --benchmark-save-data \
    --output-dir "$OUT/logs" --junitxml "$OUT/junit.xml" "$@" || judged=$?
"$VENVS/head/bin/python" -m resnet_fixtures.report --storage "$OUT/storage" --results "$OUT/logs" \
    --format markdown --out "$OUT/summary.md" || told=$?
exit $((judged ? judged : told))
