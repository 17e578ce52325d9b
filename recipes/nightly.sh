#!/usr/bin/env bash
# One night: judge the newest TensorFlow on this machine against the baseline, keep what was measured, build the page.
# Needs bash and a Python with venv and pip. Arguments go to pytest. docs/ci.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${GATE:=--gate}"                # --gate-update writes the baseline: on the first night, or to accept a change
: "${HISTORY:=results/nightly}"    # what has to outlive the night: the baseline, all runs, the page
: "${UNDER_TEST=tensorflow}"       # what pip upgrades, a wheel for example; all else stays as constraints.txt has it
: "${TESTS:=tests/perf}"
: "${GRAPHS:=}"                    # a folder with int8.pb, fp32.pb and bf16.pb; if empty, the embedded graphs
: "${PYTHON:=python3}"
: "${VENV:=.venv-nightly}"         # made anew each night

rm -f "$HISTORY"/{junit.xml,summary.md,page/index.html}
mkdir -p "$HISTORY/page"

"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/pip" install --quiet --constraint constraints.txt --editable '.[report]'
if [ -z "$GRAPHS" ]; then
    # Before the upgrade: what another TensorFlow builds is another graph, and not to be compared.
    GRAPHS=$VENV/graphs
    "$VENV/bin/python" recipes/link_embedded_graphs.py "$GRAPHS"
fi
read -r -a under_test <<<"$UNDER_TEST"
if [ -n "$UNDER_TEST" ]; then
    "$VENV/bin/pip" install --quiet --upgrade "${under_test[@]}"
fi

read -r -a tests <<<"$TESTS"
graphs=()
for graph in "$GRAPHS"/*.pb; do
    graphs+=(--in-graph "$(basename "$graph" .pb)=$graph")
done

# A night that fails is on the page too, so each command's exit status waits until all have run.
gate=0 page=0
"$VENV/bin/pytest" "${tests[@]}" "$GATE" "${graphs[@]}" \
    --benchmark-storage "file://$HISTORY/storage" --benchmark-autosave --benchmark-save-data \
    --output-dir "$HISTORY/logs" --junitxml "$HISTORY/junit.xml" "$@" || gate=$?
report=("$VENV/bin/python" -m resnet_fixtures.report --storage "$HISTORY/storage" --results "$HISTORY/logs")
"${report[@]}" --out "$HISTORY/page/index.html" || page=$?
"${report[@]}" --format markdown --out "$HISTORY/summary.md" || page=$?
exit $((gate ? gate : page))
