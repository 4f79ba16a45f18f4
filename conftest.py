"""Runs the code in the documentation; each page is read from top to bottom."""

from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["docs/**/*.md", "README.md", "examples/*/README.md"],
    path=str(Path(__file__).parent),
).pytest()
