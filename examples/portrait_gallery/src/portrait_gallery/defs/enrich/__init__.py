"""Enrich: tables meet; each row gains what other tables know of it."""
