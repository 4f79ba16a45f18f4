"""`python -m portrait_gallery.sample`: write the sample, fill a database or serve an API."""

import argparse
from pathlib import Path
from wsgiref.simple_server import make_server

from portrait_gallery.sample import api, write_database, write_sample


def main() -> None:
    """Read the command line and do what it asks for."""
    parser = argparse.ArgumentParser(prog="portrait_gallery.sample", description=__doc__)
    parser.add_argument("--objects", type=int, default=500, help="how many objects (500)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another gallery (1)")
    parser.add_argument("--out", type=Path, help="folder of the files; must not exist yet")
    parser.add_argument("--database", metavar="URL", help="sqlite:///FILE or postgresql://...")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve a JSON API until Ctrl-C")
    arguments = parser.parse_args()
    if not (arguments.out or arguments.database or arguments.serve is not None):
        parser.error("say where: --out FOLDER, --database URL or --serve PORT")
    if arguments.out and arguments.out.exists():
        parser.error(f"'{arguments.out}' is there already; name another folder")
    if arguments.out:
        write_sample(arguments.out, arguments.objects, arguments.seed)
    if arguments.database:
        write_database(arguments.database, arguments.objects, arguments.seed)
    if arguments.serve is not None:
        _serve(arguments.serve, arguments.objects, arguments.seed)


def _serve(port: int, object_count: int, seed: int) -> None:
    with make_server("127.0.0.1", port, api(object_count, seed)) as server:
        print(f"Serving http://127.0.0.1:{server.server_port}/objects", flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    main()
