"""Harvest: the source's tables, as they are, in our storage."""
