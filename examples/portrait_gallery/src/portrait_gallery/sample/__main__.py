"""`python -m portrait_gallery.sample`: write the sample's files, or a database of them."""

import argparse
from pathlib import Path

from portrait_gallery.sample import write_database, write_sample


def main() -> None:
    """Read the command line and write what it asks for."""
    parser = argparse.ArgumentParser(prog="portrait_gallery.sample", description=__doc__)
    parser.add_argument("--objects", type=int, default=500, help="how many objects (500)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another gallery (1)")
    parser.add_argument("--out", type=Path, help="folder of the files; must not exist yet")
    parser.add_argument("--database", type=Path, help="file of the SQLite database")
    arguments = parser.parse_args()
    if not (arguments.out or arguments.database):
        parser.error("say where: --out FOLDER or --database FILE")
    if arguments.out and arguments.out.exists():
        parser.error(f"'{arguments.out}' is there already; name another folder")
    if arguments.out:
        write_sample(arguments.out, arguments.objects, arguments.seed)
    if arguments.database:
        write_database(arguments.database, arguments.objects, arguments.seed)


if __name__ == "__main__":
    main()
