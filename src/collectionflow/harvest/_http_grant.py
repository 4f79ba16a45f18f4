"""The grant that requests are sent with: fetched when it is needed, and anew before it ends."""

import math
import threading
import time
from typing import Final

from collectionflow.harvest.credentials import Credentials, Grant, Post

# A token is renewed this long before it ends, so that it does not end on the way.
_MARGIN_SECONDS: Final = 30.0


class HeldGrant:
    """A grant, and until when it holds."""

    def __init__(self, grant: Grant | None = None) -> None:
        self.grant = grant or Grant()
        self._since = time.monotonic()
        seconds = self.grant.seconds - _MARGIN_SECONDS
        self.ends = -math.inf if grant is None else self._since + max(seconds, 1.0)

    def is_renewable(self) -> bool:
        """Return whether a new token may help: not where this one was fetched a moment ago."""
        return math.isfinite(self.grant.seconds) and time.monotonic() - self._since > 1.0


class Grants:
    """The grants of one source's credentials. Threads share them."""

    def __init__(self, credentials: Credentials | None, post: Post) -> None:
        self._credentials = credentials
        self._post = post
        self._lock = threading.Lock()
        self.held = HeldGrant()

    def current(self) -> HeldGrant:
        """Return a grant that holds."""
        with self._lock:
            if self._credentials is not None and self.held.ends < time.monotonic():
                self.held = HeldGrant(self._credentials.grant(self._post))
            return self.held

    def is_outdated(self, held: HeldGrant) -> bool:
        """Return whether another grant than the one that was sent may help, and drop that one."""
        with self._lock:
            if held is self.held and held.is_renewable():
                self.held = HeldGrant()
            # Another thread, whose request was refused as well, may have been here before.
            return held is not self.held
