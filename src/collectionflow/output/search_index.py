"""Search indexes of Elasticsearch 8 and 9, Elastic Cloud, and OpenSearch 2 and 3."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field
from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.output._document_id import id_column
from collectionflow.output._search_mapping import mapping_of, overlaid
from collectionflow.output._target import Target, Terms

if TYPE_CHECKING:
    from collectionflow.output._search_http import SearchServer


class SearchIndexTarget(Target):
    """An index of Elasticsearch or OpenSearch behind an alias that is named as the asset.

    Each publication loads a new index, compares its count with the frame's and with what is
    live, and then points the alias to it in one step: a search finds the old documents or the
    new ones. Whatever fails before that leaves the alias where it was. Earlier indexes are kept
    for `rollback`.

    The mapping comes from the contract: see the how-to page. Ids come from the contract's key.

    Raises:
        Refused: where documents are rejected, are fewer than the frame has rows, or the drop
            guard says no.
        TargetUnavailable: where the server does not answer for ten minutes.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.output import SearchIndexTarget
        >>> target = SearchIndexTarget(
        ...     url=dg.EnvVar("SEARCH_URL"), api_key=dg.EnvVar("SEARCH_API_KEY")
        ... )
    """

    url: str = Field(description="Where the server is: https://host:9200.")
    api_key: str | None = Field(default=None, description="An API key of Elastic, as an EnvVar.")
    username: str | None = Field(default=None, description="The name of the account.")
    password: str | None = Field(default=None, description="Its password, as an EnvVar.")
    aws_region: str | None = Field(
        default=None,
        description="Region of an Amazon OpenSearch domain, to sign as the machine's AWS role.",
    )
    ca_file: str | None = Field(
        default=None, description="Certificates of the authority that signed the server's own."
    )
    prefix: str = Field(default="", description="What an alias has before the asset's name.")
    settings_file: str | None = Field(
        default=None,
        description="A JSON file with the 'settings' of each index, and 'mappings' laid over ours.",
    )
    max_rejected: int = Field(
        default=0, ge=0, description="How many documents the server may reject."
    )
    earlier_kept: int = Field(
        default=2, ge=0, description="How many indexes are kept beside the live one."
    )
    requests_in_flight: int = Field(
        default=4, ge=1, description="How many requests are sent at once."
    )
    memory: str | None = Field(
        default=None,
        description=(
            "A folder to remember what is live. With it, only what changed is sent, to a copy of "
            "the live index."
        ),
    )
    replaces_index: bool = Field(
        default=False,
        description="Whether an index that bears the alias's name is deleted as the alias appears.",
    )

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Publish `frame` as the documents behind the alias `name`."""
        return self.publish_on_terms(name, frame, Terms())

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:
        """Publish `frame`, with the contract's key and types and the asset's drop guard."""
        from collectionflow.output._search_publication import Order, publish

        settings, mappings = self._definition(frame, terms)
        order = Order(
            name=name,
            alias=self._alias(name),
            frame=frame,
            id_column=id_column(name, frame, terms),
            settings=settings,
            mappings=mappings,
            terms=terms,
            max_rejected=self.max_rejected,
            earlier_kept=self.earlier_kept,
            requests_in_flight=self.requests_in_flight,
            memory=UPath(self.memory) if self.memory else None,
            replaces_index=self.replaces_index,
        )
        with self._server(terms) as server:
            return publish(server, order)

    def count(self, name: str) -> int:
        """Return how many documents a search behind the alias of `name` can find."""
        from collectionflow.output._search_indexes import count

        with self._server(Terms()) as server:
            return count(server, self._alias(name))

    def rollback(self, name: str, to: str | None = None) -> str:
        """Point the alias of `name` back to the index before the live one, or to that named `to`.

        The start of a name is enough. Returns the name of the index that is now live.

        Raises:
            ProjectError: where there is no such index.
        """
        from collectionflow.output._search_publication import rollback

        with self._server(Terms()) as server:
            return rollback(server, self._alias(name), to)

    def _alias(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def _server(self, terms: Terms) -> "SearchServer":
        from collectionflow.output._search_http import SearchServer
        from collectionflow.output._search_login import Login

        login = Login(
            api_key=self.api_key,
            username=self.username,
            password=self.password,
            aws_region=self.aws_region,
        )
        return SearchServer(
            self.url,
            login,
            ca_file=self.ca_file,
            log=terms.log,
            connections=self.requests_in_flight,
        )

    def _definition(
        self, frame: pl.LazyFrame, terms: Terms
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the flat settings and the mappings of a new index."""
        metadata = terms.contract.metadata if terms.contract else {}
        mappings = mapping_of(frame.collect_schema(), metadata)
        if self.settings_file is None:
            return {}, mappings
        said = _read(self.settings_file)
        return dict(_flat(said.get("settings", {}))), overlaid(mappings, said.get("mappings", {}))


def _read(path: str) -> dict[str, Any]:
    """Return what a settings file says."""
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"The target's settings_file '{path}' cannot be read as JSON ({error})."
        raise StopRun(message) from error
    if not isinstance(said, dict) or not said.keys() <= {"settings", "mappings"}:
        message = (
            f"The target's settings_file '{path}' is to be an object with 'settings' and "
            "'mappings', and nothing else."
        )
        raise StopRun(message)
    return said


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings as `index.a.b`, however they are nested."""
    for name, value in settings.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        else:
            yield path if path.startswith("index.") else f"index.{path}", value
