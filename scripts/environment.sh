# Sourced by local.sh and test.sh: the virtual environment of this repository.
# shellcheck shell=bash

# say TEXT: what is being done, on standard error.
say() { printf '\n==> %s\n' "$*" >&2; }

# fail TEXT: the one clear line, and the end.
fail() { printf 'amlready: %s\n' "$*" >&2; exit 1; }

# find_python: print a Python of at least 3.11.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13 python; do
        [[ -n $candidate ]] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and $(python3 --version 2>/dev/null || echo 'no python3') is here; install it, or set PYTHON to it"
}

# install ARGUMENT...: pip in .venv, a second time where an index failed once; no long wait for a network that is not there.
install() {
    local pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-input --retries 2 --timeout 20)
    "${pip[@]}" "$@" || { sleep 2 && "${pip[@]}" "$@"; }
}

# prepare NAME: make .venv hold requirements/NAME.txt and this package; at once when it does already.
prepare() {
    local python lock="requirements/$1.txt" log=.venv/install.log wanted
    # An interpreter that has gone, or a half-made environment, is made afresh.
    if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
        python=$(find_python)
        say "making a virtual environment in .venv with $("$python" --version)"
        rm -rf .venv
        "$python" -m venv .venv >/dev/null 2>&1 || fail "$python cannot make a virtual environment; install its venv module (on Debian: python3-venv)"
    fi
    wanted=$(cat "$lock" pyproject.toml | cksum)
    if [[ $(cat ".venv/$1.installed" 2>/dev/null) != "$wanted" ]]; then
        say "installing the $(grep -c == "$lock") packages of $lock"
        rm -f .venv/*.installed
        if ! install -r "$lock" >"$log" 2>&1 || ! install --no-deps --editable . >>"$log" 2>&1; then
            fail "packages could not be installed (is the network there?): $(grep -E '^ *(ERROR|error): ' "$log" | head -n 1); all of it is in $log"
        fi
        printf '%s\n' "$wanted" >".venv/$1.installed"
    fi
}
