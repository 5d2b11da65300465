#!/usr/bin/env bash
# Install what is pinned and run every check this project has: format, types, scripts, tests.
# Usage: scripts/test.sh [PYTEST ARGUMENT...]     with arguments only pytest runs, with these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/environment.sh
source scripts/environment.sh

prepare dev
bin=$PWD/.venv/bin

if (($# == 0)); then
    say "ruff: form and likely faults"
    "$bin/ruff" format --check --quiet . || fail "some files are not formatted; run .venv/bin/ruff format"
    "$bin/ruff" check --quiet .
    say "mypy: types"
    "$bin/mypy"
    say "shellcheck: scripts"
    "$bin/shellcheck" scripts/*.sh .ci/run
    set -- -n 2 --dist loadfile # two files at a time: many tests wait for processes
fi
say "pytest"
exec "$bin/python" -m pytest "$@"
