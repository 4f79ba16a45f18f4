"""Files in an object store and on a file server: real servers that speak S3 and SFTP."""

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import asyncssh
import boto3
import dagster as dg
import fsspec
import pandera.polars as pa
import pytest
from moto.server import ThreadedMotoServer

from collectionflow import CollectionflowError, Frame, SourceError, SourceUnavailable
from collectionflow.harvest import FolderSource, TableSource, _store_folder
from collectionflow.harvest._fetch import Partial
from collectionflow.harvest._retry import TransientError
from collectionflow.harvest._store_folder import StoreFolder

KEY, SECRET = "AKIDENTIFIES", "hidden/from+everyone"
CSV = b"id,title\n" + b"".join(b"%d,Title %d\n" % (n, n) for n in range(20_000))


class Objects(pa.DataFrameModel):
    id: str
    title: str


def asset_of() -> dg.AssetsDefinition:
    @dg.asset
    def objects(tms: TableSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    return objects


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("EXPORTS_KEY", KEY)
    monkeypatch.setenv("EXPORTS_SECRET", SECRET)
    resource = boto3.resource(
        "s3",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        endpoint_url=endpoint,
        region_name="us-east-1",
    )
    bucket = resource.Bucket(f"exports-{uuid4().hex}")
    bucket.create()
    bucket.put_object(Key="tms/objects.csv", Body=CSV)
    bucket.put_object(Key="tms/more/other.csv", Body=CSV)
    return bucket


def options(endpoint: str) -> dict[str, Any]:
    return {
        "key": dg.EnvVar("EXPORTS_KEY"),
        "secret": dg.EnvVar("EXPORTS_SECRET"),
        "client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }


def plain(endpoint: str) -> dict[str, Any]:
    return {**options(endpoint), "key": KEY, "secret": SECRET}


def in_bucket(bucket: Any, endpoint: str, **settings: Any) -> FolderSource:
    url = f"s3://{bucket.name}/tms"
    return FolderSource(directory=url, storage_options=options(endpoint), **settings)


def test_a_file_in_a_bucket_is_found_by_its_table(bucket: Any, endpoint: str, run: Any) -> None:
    result = run(asset_of(), resources={"tms": in_bucket(bucket, endpoint)})
    assert result.is_success
    assert len(result.stored("objects")) == 20_000
    told = str(result.metadata("objects"))
    assert "objects.csv (CSV, utf-8" in told
    assert KEY not in told
    assert SECRET not in told
    assert list((result.folder / ".collectionflow" / "harvest").rglob("*.part*")) == []


def test_a_file_that_is_not_in_a_bucket_is_told(bucket: Any, endpoint: str, run: Any) -> None:
    tms = in_bucket(bucket, endpoint, files={"objects": "other.csv"})
    result = run(asset_of(), resources={"tms": tms})
    assert (
        f"'s3://{bucket.name}/tms' has no table 'other.csv'. There is: 'objects.csv'."
        in result.reason()
    )


def test_a_bucket_that_is_not_there_is_told(endpoint: str, bucket: Any, run: Any) -> None:
    tms = FolderSource(directory="s3://nowhere/tms", storage_options=options(endpoint))
    result = run(asset_of(), resources={"tms": tms})
    assert "There is no 's3://nowhere/tms'." in result.reason()


def test_a_secret_that_is_not_set_is_told(
    bucket: Any, endpoint: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXPORTS_SECRET")
    result = run(asset_of(), resources={"tms": in_bucket(bucket, endpoint)})
    (event,) = [each for each in result.result.all_events if each.is_step_failure]
    assert "environment variable 'EXPORTS_SECRET'" in event.step_failure_data.error.to_string()


def test_a_store_that_does_not_answer_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    wrong = plain("http://127.0.0.1:9") | {"config_kwargs": {"retries": {"max_attempts": 0}}}
    tms = FolderSource(directory="s3://exports/tms", storage_options=wrong)
    with pytest.raises(
        SourceUnavailable, match=r"'s3://exports/tms' does not answer in full"
    ) as error:
        tms.harvest("objects", Objects)
    assert SECRET not in str(error.value)


def test_a_transfer_from_a_bucket_goes_on_where_it_stopped(
    bucket: Any, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_store_folder, "_CHUNK_BYTES", 100_000)
    folder = StoreFolder(f"s3://{bucket.name}/tms", plain(endpoint))
    partial = Partial(tmp_path / "x.part")
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == CSV
    modified = bucket.Object("tms/objects.csv").last_modified.timestamp()
    assert partial.path.stat().st_mtime == modified
    # The rest alone is read: what is there already stays as it is.
    partial.path.write_bytes(b"x" * 100_000)
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == b"x" * 100_000 + CSV[100_000:]
    folder.fetch("objects.csv", partial)  # It is all there.
    bucket.put_object(Key="tms/objects.csv", Body=CSV[::-1])
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == CSV[::-1]


def test_a_file_that_changes_on_the_way_is_not_taken(
    bucket: Any, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StoreFolder(f"s3://{bucket.name}/tms", plain(endpoint))
    partial = Partial(tmp_path / "x.part")
    extend = partial.extend

    def interrupted(chunks: Iterator[bytes]) -> None:
        extend(chunks)
        bucket.put_object(Key="tms/objects.csv", Body=CSV[:-8])

    monkeypatch.setattr(partial, "extend", interrupted)
    with pytest.raises(TransientError, match=r"objects.csv' changed while it was read"):
        folder.fetch("objects.csv", partial)
    assert partial.size == 0


class _Server(asyncssh.SSHServer):
    connections: ClassVar[list[asyncssh.SSHServerConnection]] = []

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connections.append(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("tms", SECRET)


class FileServer:
    """An SFTP server on loopback, in a thread of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)

    async def _start(self) -> None:
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Server,
            server_host_keys=[self.key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.root)),
        )
        self.port = self._server.get_port()

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        await self._drop()

    async def _drop(self) -> None:
        while _Server.connections:
            connection = _Server.connections.pop()
            connection.abort()
            await connection.wait_closed()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def drop(self) -> None:
        """Break all connections."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(30)

    @property
    def options(self) -> dict[str, Any]:
        known = f"[127.0.0.1]:{self.port} {self.key.export_public_key().decode()}"
        return {
            "port": self.port,
            "username": "tms",
            "password": SECRET,
            "known_hosts": asyncssh.import_known_hosts(known),
        }


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    root = tmp_path / "served"
    (root / "exports" / "more").mkdir(parents=True)
    (root / "exports" / "objects.csv").write_bytes(CSV)
    server = FileServer(root)
    yield server
    gc.collect()  # Clients go before their server.
    server.stop()


URL = "sftp://127.0.0.1/exports"


def test_a_file_on_a_file_server_is_found_by_its_table(file_server: FileServer) -> None:
    folder = StoreFolder(URL, file_server.options)
    assert folder.names() == ["objects.csv"]
    partial = Partial(file_server.root / "x.part")
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == CSV
    partial.path.write_bytes(b"x" * 1000)
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == b"x" * 1000 + CSV[1000:]


def test_a_harvest_from_a_file_server_is_a_table(
    file_server: FileServer, run: Any, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(
        f"[127.0.0.1]:{file_server.port} {file_server.key.export_public_key().decode()}"
    )
    wanted = {**file_server.options, "known_hosts": str(known)}
    tms = FolderSource(directory=URL, storage_options=wanted)
    result = run(asset_of(), resources={"tms": tms})
    assert len(result.stored("objects")) == 20_000
    assert SECRET not in str(result.metadata("objects"))


def test_a_host_that_nobody_vouched_for_is_not_believed(file_server: FileServer) -> None:
    wanted = {name: value for name, value in file_server.options.items() if name != "known_hosts"}
    folder = FolderSource(directory=URL, storage_options=wanted)
    with pytest.raises(
        SourceError, match=r"'sftp://127.0.0.1/exports' cannot be read .HostKeyNotVerifiable"
    ):
        folder.harvest("objects", Objects)


def test_a_wrong_password_stops_and_is_not_shown(file_server: FileServer) -> None:
    wrong = file_server.options | {"password": "wrong-and-secret"}
    folder = StoreFolder(URL, wrong)
    with pytest.raises(
        SourceError, match=r"cannot be read .PermissionError: Permission denied"
    ) as error:
        folder.names()
    assert "wrong-and-secret" not in str(error.value)


def test_a_missing_folder_on_a_file_server_is_told(file_server: FileServer) -> None:
    with pytest.raises(SourceError, match=r"There is no 'sftp://127.0.0.1/nowhere'"):
        StoreFolder("sftp://127.0.0.1/nowhere", file_server.options).names()


def test_a_connection_that_breaks_is_made_anew(file_server: FileServer) -> None:
    folder = StoreFolder(URL, file_server.options)
    assert folder.names() == ["objects.csv"]
    first = folder._system
    file_server.drop()
    with pytest.raises(TransientError, match=r"'sftp://127.0.0.1/exports' does not answer in full"):
        folder.names()
    assert folder._system is None
    assert first is not None
    assert folder.names() == ["objects.csv"]


def test_user_and_password_in_a_url_are_not_shown() -> None:
    folder = StoreFolder(f"sftp://tms:{SECRET.replace('/', '%2F')}@127.0.0.1:9/exports", {})
    assert folder.where == "sftp://127.0.0.1:9/exports"
    with pytest.raises(TransientError) as error:
        folder.names()
    assert SECRET not in str(error.value)


def test_a_store_without_times_is_fetched_each_time(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/tms-exports/objects.csv", CSV)
    folder = StoreFolder("memory://tms-exports", {})
    partial = Partial(tmp_path / "x.part")
    folder.fetch("objects.csv", partial)
    assert partial.path.read_bytes() == CSV


@pytest.mark.parametrize("time", ["2015-10-21T07:28:00Z", 1445412480, 1445412480.0])
def test_each_store_writes_times_in_its_own_way(time: object) -> None:
    assert _store_folder._seconds(time) == 1445412480
    assert _store_folder._seconds("soon") is None


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_package_that_is_not_installed_is_named(scheme: str, package: str) -> None:
    with pytest.raises(
        SourceError, match=rf"needs a package that is not installed: uv add {package}"
    ):
        StoreFolder(f"{scheme}://exports", {}).names()


def test_a_scheme_that_is_unknown_is_told() -> None:
    with pytest.raises(CollectionflowError, match=r"'what://x' cannot be read"):
        StoreFolder("what://x", {}).names()
