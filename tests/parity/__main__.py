"""python tests/parity SEED COUNT: compare the verdicts on so many mutants; prints each disagreement, exits 1 on any."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from parity.mutants import Mutator, known_keys  # noqa: E402
from parity.oracle import disagreement  # noqa: E402
from parity.specs import SPECS, lay_out  # noqa: E402


def main(seed: int, count: int) -> int:
    mutator = Mutator(seed, SPECS, known_keys(TESTS.parent / "amlready" / "schemas"))
    found = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "specs"
        folder.mkdir()
        lay_out(folder)
        for number, (family, text) in enumerate(mutator.mutants(count)):
            path = folder / "spec.yml"
            path.write_bytes(text.encode())
            difference = disagreement(family, path)
            if difference:
                found += 1
                print(f"--- mutant {number} of seed {seed}, {family}\n{text}\n{difference}\n")
    print(f"seed {seed}: {count} mutants, {found} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
