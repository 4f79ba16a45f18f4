"""Expressions that any collection needs; they run inside a lazy frame, without Python per row."""

from collectionflow.clean.text import tidy
from collectionflow.clean.years import earliest_year, known_year, latest_year

__all__ = ["earliest_year", "known_year", "latest_year", "tidy"]
