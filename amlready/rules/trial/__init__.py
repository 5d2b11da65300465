"""Rules about what a trial of the scoring script showed (`amlready score`); `check` runs none of them."""

from . import answers, collection, columns, joining, requests, runs, start

__all__ = ["answers", "collection", "columns", "joining", "requests", "runs", "start"]
