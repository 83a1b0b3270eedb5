"""A shop that sends its sheets whatever happens, each until it is taken, and each only once."""

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

PAUSE_SECONDS = 0.2
LATER = {409, 429, 500, 502, 503, 504}
"""Answers after which the same request is sent again: its key keeps it from being done twice."""

Row = Mapping[str, Any]


class Customer(threading.Thread):
    """Sends sheets at even distances in time; `check` raises what went wrong."""

    def __init__(
        self, client: httpx.Client, sheets: Mapping[str, Sequence[Row]], *, seconds: float
    ) -> None:
        """Prepare.

        Args:
            client: With a key.
            sheets: Their rows, by their names.
            seconds: From the first to the last.
        """
        super().__init__(name="customer", daemon=True)
        self.repeated = 0
        """Requests that were sent again."""
        self.accepted: list[str] = []
        """Names of the sheets that were taken so far."""
        self._client = client
        self._sheets = sheets
        self._pause = seconds / max(1, len(sheets) - 1)
        self._gone = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        """Send them all."""
        begun = time.monotonic()
        try:
            for number, (name, rows) in enumerate(self._sheets.items()):
                if self._gone.wait(max(0.0, begun + number * self._pause - time.monotonic())):
                    return
                self.send("/v1/batches", {"name": name, "rows": list(rows)})
                self.accepted.append(name)
        except Exception as error:
            self._error = error

    def send(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Post until there is an answer that says what became of it.

        Raises:
            RuntimeError: It was refused, or the customer has left.
        """
        key = {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            try:
                answer = self._client.post(path, json=body, headers=key, timeout=30)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                done: Mapping[str, Any] = answer.json()
                return done
            if answer is not None and answer.status_code not in LATER:
                raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")
            if self._gone.wait(PAUSE_SECONDS):
                raise RuntimeError(f"{path} was never answered")
            self.repeated += 1

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """Send nothing any more."""
        self._gone.set()
        self.join()
