"""The scoring script's folder is importable, as the inference server makes it; and what hypothesis tries.

Properties are tried with the same examples in every run, however long each takes. `pytest --hypothesis-profile search`
tries others; what that finds becomes an example or a test of its own.
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))

WHENEVER = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("same", derandomize=True, database=None, **WHENEVER)
settings.register_profile("search", **WHENEVER)
settings.load_profile("same")
