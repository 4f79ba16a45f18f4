"""An OAI-PMH repository that is asked, and what its refusals mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._http import Http
from collectionflow.harvest._oai_pmh import Refusal, answer_of, prefixes_of
from collectionflow.harvest._url import shown
from collectionflow.harvest._xml import Malformed
from collectionflow.markdown import quoted

_ADVICE: Final = {
    "cannotDisseminateFormat": "Check the source's metadata_prefix.",
    "noSetHierarchy": "Take the set out of the source's `sets`.",
    "badArgument": "Check the source's metadata_prefix and `sets`.",
    "badVerb": "Check the source's base_url.",
}


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository that is asked."""

    base_url: str
    http: Http

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"'{shown(self.base_url)}'"

    def ask(self, **arguments: str) -> tuple[bytes, etree._Element]:
        """Return an answer, and its root.

        Raises:
            Refusal: for an error of the protocol.
            SourceUnavailable: where it answers nothing that can be read, again and again.
        """

        def read(body: bytes, _headers: Mapping[str, str]) -> tuple[bytes, etree._Element]:
            try:
                return body, answer_of(body, self.where)
            except Malformed as error:
                raise TransientError(str(error)) from error

        found = self.http.get(self.base_url, read, parameters=arguments)
        if found is None:
            message = f"{self.where} answered 304 (not modified), which it was not asked."
            raise SourceError(message)
        return found

    def explained(self, refusal: Refusal) -> SourceError:
        """Return an error of the protocol as one that a registrar understands."""
        advice = _ADVICE.get(refusal.code, "Ask the repository.")
        if refusal.code == "cannotDisseminateFormat":
            advice += self._offered()
        said = self.http.without_secrets(refusal.message)[:200]
        return SourceError(f"{self.where} answered '{refusal.code}': '{said}'. {advice}")

    def _offered(self) -> str:
        try:
            _, root = self.ask(verb="ListMetadataFormats")
        except Refusal:
            return ""
        return f" It offers: {quoted(prefixes_of(root))}."
