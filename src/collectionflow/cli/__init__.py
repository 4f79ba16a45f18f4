"""The `collectionflow` command: a thin skin over the library, one command a module."""

import click

from collectionflow.cli.compare import compare
from collectionflow.cli.diff import diff
from collectionflow.cli.inspect import inspect
from collectionflow.cli.rollback import rollback
from collectionflow.cli.run import run

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="collectionflow")
def main() -> None:
    """Run the pipelines of a project, and look at what they stored."""


for command in (compare, diff, inspect, rollback, run):
    main.add_command(command)
