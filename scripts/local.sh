#!/usr/bin/env bash
# The endpoint on this machine, from nothing to collected data: check, score, serve, invoke, collected.
# Usage: scripts/local.sh [--keep]     --keep leaves the endpoint running until Ctrl-C
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/environment.sh
source scripts/environment.sh

case "$*" in '' | --keep) ;; *) fail "usage: scripts/local.sh [--keep]" ;; esac
prepare local
amlready=$PWD/.venv/bin/amlready
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
output=$(mktemp)

say "check: the specs and the scoring script"
"$amlready" check .
say "score: the scoring script's unit test"
"$amlready" score

say "serve: the inference server, with the Collector's agent"
"$amlready" serve --port 0 >"$output" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null && wait "$server" || true; rm -f "$output"' EXIT
until uri=$(grep -om1 'http://[^ ]*/score' "$output"); do
    kill -0 "$server" 2>/dev/null || fail "the endpoint did not start; the reason is above"
    sleep 0.2
done
cat "$output"

say "invoke: the sample request"
"$amlready" invoke sample-request.json --uri "$uri"

if [[ ${1:-} == --keep ]]; then
    say "the endpoint stays up; Ctrl-C ends it"
    wait "$server"
fi
say "stopping the endpoint"
kill -TERM "$server"
wait "$server"

say "collected: what Azure would have stored"
"$amlready" collected --join --since "$started"
find "$PWD/.amlready/collected" -name '*.jsonl' -newer "$output"
