"""Fuzz the check with coverage guidance: `python tools/fuzz.py [FILE] [LIBFUZZER OPTION...]`. Needs atheris.

FILE is the file of this repository's endpoint that is replaced by the fuzzer's bytes (deployment.yml). Every input is
checked from end to end; a traceback ends the run with the input that caused it, and so does anything over 1 s
(-timeout=1) or 200 MB (-rss_limit_mb=200), unless other limits are given. Without atheris the tests in
tests/test_fuzz.py do the same with hypothesis.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
LIMITS = ("-timeout=1", "-rss_limit_mb=200", "-max_len=4096")


def main() -> None:
    try:
        import atheris
    except ImportError:
        raise SystemExit("atheris is not installed: pip install atheris") from None
    with atheris.instrument_imports(include=["amlready"]):
        import fuzzing

    target = "deployment.yml"
    options = sys.argv[1:]
    if options and options[0] in fuzzing.TARGETS:
        target = options.pop(0)
    folder = Path(tempfile.mkdtemp(prefix="amlready-fuzz-"))
    fuzzing.lay_out(folder)
    seeds = folder / "seeds"
    seeds.mkdir()
    (seeds / "seed").write_bytes((ROOT / target).read_bytes())
    limits = [each for each in LIMITS if not any(given.startswith(each.split("=")[0]) for given in options)]
    atheris.Setup([sys.argv[0], *limits, *options, str(seeds)], lambda data: fuzzing.check(folder, target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
