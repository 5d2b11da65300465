"""The scoring script's folder is importable, as the inference server makes it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))
