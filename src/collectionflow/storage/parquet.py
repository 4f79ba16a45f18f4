"""`ParquetIOManager`: writes, validates and publishes each asset's table as one Parquet file."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import dagster as dg
import polars as pl
from dagster import _check as check
from dagster._core.storage.upath_io_manager import (
    escape_dotdot_segments,
    escape_leading_slash,
)
from pydantic import Field, PrivateAttr
from upath import UPath

from collectionflow.contract import Contract
from collectionflow.errors import CollectionflowError, StopRun
from collectionflow.markdown import bullet_list
from collectionflow.notes import Notes, notes_of
from collectionflow.storage import _files
from collectionflow.storage._annotations import (
    input_contract,
    input_engine,
    may_be_none,
    output_contract,
    output_engine,
    wants_dict,
    wants_frame,
    wants_lazy,
)
from collectionflow.storage._describe import publication_metadata, warnings_metadata
from collectionflow.storage._read_ahead import limit_read_ahead
from collectionflow.storage._refusal import missing_sentence
from collectionflow.storage.drop_guard import guard_of, is_allowed
from collectionflow.storage.engines._engine import Engine
from collectionflow.storage.engines.polars import POLARS
from collectionflow.storage.ledger import recorded
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.published import Published, PublishedTable
from collectionflow.storage.quarantine import quarantine_of
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable


class ParquetIOManager(dg.ConfigurableIOManager, dg.UPathIOManager):
    """Stores each asset at `<base_dir>/<asset key>.parquet`, and publishes only what is right.

    A frame is written to a new file, checked against its contract and against the published
    version, and then takes that version's place in one step. Whatever fails or is killed leaves
    the published file as it was. Takes the place of dagster-polars' `PolarsParquetIOManager`:
    the same files, annotations and partitions.

    Understands `Frame[Schema]`, `pl.LazyFrame`, `pl.DataFrame`, `Optional[...]` of them and no
    annotation, on inputs and outputs. An input that reads several partitions is one frame, or a
    `dict` of frames by partition key.

    Raises:
        Refused: when a table breaks its contract or lost too much. Nothing is published; the
            message says where the refused file lies.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow import ParquetIOManager
        >>> @dg.asset
        ... def objects() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"object_id": [1, 2]})
        >>> def store(folder: str) -> dg.Definitions:
        ...     storage = ParquetIOManager(base_dir=folder)
        ...     return dg.Definitions([objects], resources={"io_manager": storage})
    """

    extension: ClassVar[str] = ".parquet"

    base_dir: str | None = Field(
        default=None,
        description="Folder or bucket URL of the tables; Dagster's own storage folder if not set.",
    )
    # The name that the parent class gives to a property of its own is only the option's alias.
    cloud_storage_options: Mapping[str, Any] | None = Field(
        default=None,
        alias="storage_options",
        description="How to reach the bucket, as fsspec takes it. Secrets are EnvVars.",
    )
    versions_kept: int = Field(
        default=3,
        ge=1,
        description="How many versions of a table are kept, the published one among them.",
    )

    _base_path: UPath = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Find the base folder; Dagster calls this before a run."""
        limit_read_ahead()
        base = self.base_dir
        if base is None:
            # Dagster's own storage folder, as its default IO manager uses it.
            base = check.not_none(context.instance).storage_directory()
        self._base_path = UPath(base, **_resolved(self.cloud_storage_options or {}))

    def stored_table(self, name: str) -> StoredTable:
        """Return the table of the asset, or the partition of it, that is called `name`."""
        return StoredTable(base=self._base_path, name=name)

    def table_of(self, context: dg.OutputContext) -> StoredTable | None:
        """Return the table that an output will be, None for several partitions at once."""
        if not context.has_asset_partitions:
            return self.stored_table(self._name_of(self._get_path(context)))
        paths = list(self._get_paths_for_partitions(context).values())
        return self.stored_table(self._name_of(paths[0])) if len(paths) == 1 else None

    def make_safe_partition_path(self, base_path: UPath, partition: str) -> UPath:
        """Keep a partition's key inside the asset's folder, whatever the key is."""
        return base_path / escape_dotdot_segments(escape_leading_slash(partition))

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        """Publish one output, and tell Dagster what there is to know about it."""
        notes = notes_of(context.step_context)
        if obj is None:
            notes.warn("The asset returned nothing, so nothing was stored.")
            context.add_output_metadata(warnings_metadata(notes))
            return
        contract = output_contract(context)
        terms = Terms(
            contract=contract,
            engine=_engine(context, output_engine(context)),
            guard=guard_of(context.definition_metadata),
            is_drop_allowed=is_allowed(context.step_context.run_tags, _asset_name(context)),
            versions_kept=self.versions_kept,
            warn=notes.warn,
            log=context.log.info,
            explain=notes.explain,
            merge=notes.merge,
            state=notes.state,
            quarantine=quarantine_of(context.definition_metadata),
            source_columns=notes.source_columns,
        )
        table = self.stored_table(self._name_of(path))
        _check_merge(notes, table)
        with recorded(table, notes.harvests):
            publication = publish_frame(_lazy(obj, table, context), table, terms)
        metadata = publication_metadata(
            publication, notes, contract, is_partition=context.has_asset_partitions
        )
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """Return what an asset's parameter asks for by its annotation."""
        if context.dagster_type.typing_type is Published:
            return self._published(context)
        if not (context.has_asset_key and context.has_asset_partitions):
            return super().load_input(context)
        if wants_dict(context):
            return self._load_dict(context)
        if wants_frame(context):
            return self._load_all_partitions(context)
        return super().load_input(context)

    def load_partitions(self, context: dg.InputContext) -> Any:
        """Return one frame, or a dict of frames in the order of their partitions' keys."""
        loaded = super().load_partitions(context)
        # Dagster's partition mappings give the keys in another order in each process.
        return dict(sorted(loaded.items())) if isinstance(loaded, dict) else loaded

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        """Return one stored table as the parameter's annotation asks."""
        if not path.exists():
            if may_be_none(context):
                return None
            raise FileNotFoundError(_absent(path))
        return self._read(context, [path])

    def _published(self, context: dg.InputContext) -> PublishedTable:
        """Return the table as a check reads it, whether it is there or not."""
        if context.has_asset_partitions:
            paths = sorted(self._get_paths_for_partitions(context).values())
        else:
            paths = [self._get_path(context)]
        return PublishedTable([self.stored_table(self._name_of(path)) for path in paths])

    def _load_dict(self, context: dg.InputContext) -> dict[str, Any]:
        """Return the frames by partition key, for one partition as for many."""
        keys = context.asset_partition_keys
        loaded = self.load_partitions(context) if keys else {}
        if len(keys) == 1:
            return {} if loaded is None else {keys[0]: loaded}
        return loaded

    def _load_all_partitions(self, context: dg.InputContext) -> Any:
        """Return all partitions that the parameter covers as one frame, in their keys' order."""
        paths = self._get_paths_for_partitions(context)
        metadata = context.definition_metadata or {}
        may_be_absent = metadata.get("allow_missing_partitions", False) or may_be_none(context)
        found = []
        for _, path in sorted(paths.items()):
            if path.exists():
                found.append(path)
            elif not may_be_absent:
                raise FileNotFoundError(_absent(path))
        if not found and may_be_none(context):
            return None
        return self._read(context, found)

    def _read(self, context: dg.InputContext, paths: Sequence[UPath]) -> Any:
        """Return stored tables as one, by the engine and with the columns that are asked for."""
        columns = [self._columns(context, path) for path in paths]
        if not paths:
            return _empty(context)
        engine = _engine(context, input_engine(context))
        table = engine.scan(paths, _together(columns, input_contract(context)))
        return table if wants_lazy(context) else table.collect()

    def _columns(self, context: dg.InputContext, path: UPath) -> list[str] | None:
        """Return the columns that the parameter asks for, and refuse what breaks its contract."""
        chosen = (context.definition_metadata or {}).get("columns")
        contract = input_contract(context)
        if contract is None and chosen is None:
            return None
        present = dict(_files.scan(path).collect_schema())
        problems = []
        if chosen is not None:
            if missing := [name for name in chosen if name not in present]:
                problems.append(missing_sentence(missing, present))
            present = {name: present[name] for name in chosen if name in present}
        if contract is not None and not problems:
            if missing := contract.missing(present):
                problems.append(missing_sentence(missing, present))
            problems += contract.wrong_types(present)
        if problems:
            by = f" by {contract.name}" if contract else ""
            message = (
                f"'{self._name_of(path)}' is not what '{context.name}' needs{by}. "
                f"Materialize it again, or change the contract.\n{bullet_list(problems)}"
            )
            raise StopRun(message)
        return [name for name in contract.dtypes if name in present] if contract else list(present)

    def _name_of(self, path: UPath) -> str:
        relative = path.path.removeprefix(self._base_path.path).strip("/")
        return relative.removesuffix(self.extension)


def _asset_name(context: dg.OutputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else context.name


def _engine(context: dg.InputContext | dg.OutputContext, key: str | None) -> Engine:
    """Return the engine that an annotation asks for, which is the resource with its key."""
    if key is None:
        return POLARS
    resources = context.step_context.scoped_resources_builder.build({key})
    engine = getattr(resources, key, None)
    if isinstance(engine, Engine):
        return engine
    message = (
        f"'{context.name}' is read or written by the engine '{key}', and no resource '{key}' is at "
        f"hand. Give the project one, and the asset required_resource_keys={{'{key}'}} where its "
        "annotation is an Optional or a dict."
    )
    raise StopRun(message)


def _lazy(obj: object, table: StoredTable, context: dg.OutputContext) -> Any:
    if isinstance(obj, pl.DataFrame):
        return obj.lazy()
    if isinstance(obj, pl.LazyFrame) or output_engine(context) is not None:
        return obj  # Dagster has seen that an engine's annotation is kept.
    message = (
        f"'{table.name}' returned a value of type '{type(obj).__name__}'. Expected a Polars "
        "LazyFrame or DataFrame: return one, or give the asset another IO manager."
    )
    raise StopRun(message)


def _check_merge(notes: Notes, table: StoredTable) -> None:
    if notes.merge is not None and len(notes.harvests) > 1:
        message = (
            f"'{table.name}' harvests {len(notes.harvests)} tables, at least one of them only what "
            "changed, so it is not known what to put where. Make each harvest an asset of its own."
        )
        raise StopRun(message)


def _together(columns: Sequence[list[str] | None], contract: Contract | None) -> list[str] | None:
    """Return the columns of several tables; by a contract they differ in optional ones at most."""
    present = dict.fromkeys(name for each in columns for name in each or ())
    if contract is not None:
        return [name for name in contract.dtypes if name in present]
    return list(present) or None


def _empty(context: dg.InputContext) -> pl.LazyFrame | pl.DataFrame | None:
    """Return the table of no partition at all, whose columns only a contract can tell."""
    contract = input_contract(context)
    if contract is None or input_engine(context) is not None:
        return None
    frame = pl.LazyFrame(schema=contract.dtypes)
    return frame if wants_lazy(context) else frame.collect()


def _absent(path: UPath) -> str:
    return f"There is no table at '{path}'. Materialize the asset that writes it first."


def _resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with their `EnvVar`s read; Dagster leaves those inside a mapping alone."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and set(value) == {"env"}:
            found[name] = _variable(value["env"], name)
        elif isinstance(value, Mapping):
            found[name] = _resolved(value)
        else:
            found[name] = value
    return found


def _variable(variable: str, option: str) -> str:
    value = dg.EnvVar(variable).get_value()
    if value is None:
        message = (
            f"Storage option '{option}' is in the environment variable '{variable}', which is not "
            "set. Set it, or leave the option out."
        )
        raise CollectionflowError(message)
    return value
