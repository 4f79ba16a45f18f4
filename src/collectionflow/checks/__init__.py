"""Checks at the boundaries between stages, and of one table against another."""

from collectionflow.checks.boundary import boundary_checks
from collectionflow.checks.completeness import complete
from collectionflow.checks.freshness import fresh
from collectionflow.checks.parity import parity_check
from collectionflow.checks.references import reference
from collectionflow.checks.row_count import row_count
from collectionflow.checks.rules import rule

__all__ = ["boundary_checks", "complete", "fresh", "parity_check", "reference", "row_count", "rule"]
