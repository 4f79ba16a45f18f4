"""Reshape: from rows to the documents that the website needs."""
