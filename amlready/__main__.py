"""`python -m amlready`."""

from .cli import run

run()
