"""Whether the API can serve: each thing it depends on, asked at the same time, and not for long."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from api.process.drain import draining
from api.schemas.operations import Component, Readiness
from core.errors import PackshotError, ServiceDownError

if TYPE_CHECKING:
    from api.services import Services

ANSWER_SECONDS = 2
"""How long each of them has to answer."""
LEAST_FREE_BYTES = 32 * 2**20
"""A disk with less is full for whoever writes images to it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one of them is asked."""

    address: str
    ask: Callable[[], object]
    """Raises a PackshotError when it is not there."""
    required: bool = True
    """Whether requests are refused without it."""


def checks_of(services: "Services") -> Mapping[str, Check]:
    """List what the API depends on.

    The broker is not required: what cannot be published is published later by the sweeper.
    """
    url, home = services.database.url, services.settings.home
    return {
        "postgres": Check(
            address=f"{url.host}:{url.port}/{url.database}", ask=lambda: check_database(services)
        ),
        "redis": Check(
            address=services.broker.address, ask=services.broker.check_writes, required=False
        ),
        "s3": Check(
            address=f"{services.storage.address}, bucket {services.storage.bucket}",
            ask=services.storage.check_writes,
        ),
        **{
            # Requests that name no model need the first one.
            f"bundle {name}" if number else "bundle": Check(
                address=str(folder), ask=partial(services.models.get, name), required=not number
            )
            for number, (name, folder) in enumerate(services.models.folders.items())
        },
        "disk": Check(address=str(home.absolute()), ask=lambda: check_disk(home)),
    }


def check_database(services: "Services") -> None:
    """Check that Postgres answers, and has our tables.

    Raises:
        ServiceDownError: It does not.
    """
    try:
        services.database.ask("select 1 from api_key, job limit 0")
    except ProgrammingError as error:
        url = services.database.url
        raise ServiceDownError(
            f"The database {url.database} of Postgres at {url.host}:{url.port} has no tables of "
            "this version. Run `packshot migrate`.",
            reason="has no tables of this version; run `packshot migrate`",
        ) from error


def check_disk(home: Path) -> None:
    """Check that the disk with this machine's data has room.

    Raises:
        ServiceDownError: It has not.
    """
    folder = next(one for one in (home.absolute(), *home.absolute().parents) if one.exists())
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise ServiceDownError(
            f"The disk of {folder} is full: {free // 2**20} MiB are free. Make room.",
            reason="is full",
        )


class ReadinessChecks:
    """Asks in threads of their own: those that answer requests may all wait for what hangs."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="readiness")
        self._asked: dict[str, Future[Exception | None]] = {}
        self._lock = Lock()

    async def look(self, services: "Services") -> Readiness:
        """Check all of them, and return what was found in `ANSWER_SECONDS`."""
        checks = checks_of(services)
        asked = {name: self._ask(name, check) for name, check in checks.items()}
        waiting = [asyncio.wrap_future(one) for one in asked.values()]
        await asyncio.wait(waiting, timeout=ANSWER_SECONDS)
        found = {name: _component(checks[name], one) for name, one in asked.items()}
        missing = {name: one for name, one in found.items() if not one.ok}
        if draining.is_set():
            status = "draining"
        elif any(component.required for component in missing.values()):
            status = "unavailable"
        else:
            status = "degraded" if missing else "ready"
        problems = [f"{name}: {one.reason}" for name, one in missing.items()]
        return Readiness(status=status, problems=problems, components=found)

    def _ask(self, name: str, check: Check) -> "Future[Exception | None]":
        """Start a check, unless the one before is still waiting: what hangs takes one thread."""
        with self._lock:
            asked = self._asked.get(name)
            if asked is None or asked.done():
                asked = self._asked[name] = self._threads.submit(_error_of, check.ask)
            return asked

    def close(self) -> None:
        """Stop checking."""
        self._threads.shutdown(wait=False)


def require_all(services: "Services") -> None:
    """Refuse to start without one of them; what is full may be read.

    Raises:
        PackshotError: Of the first that is missing.
    """
    check_database(services)
    services.broker.check()
    services.storage.check()
    for name in services.models:
        services.models[name]


def _error_of(ask: Callable[[], object]) -> Exception | None:
    try:
        ask()
    except Exception as error:
        return error
    return None


def _component(check: Check, asked: "Future[Exception | None]") -> Component:
    reason, detail = _trouble(asked)
    return Component(
        ok=reason is None,
        required=check.required,
        reason=reason,
        address=check.address,
        detail=detail,
    )


def _trouble(asked: "Future[Exception | None]") -> tuple[str | None, str | None]:
    """Return what is wrong: for everybody, and in full."""
    if not asked.done():
        silence = f"no answer in {ANSWER_SECONDS} s"
        return silence, f"There was {silence}."
    match asked.result():
        case None:
            return None, None
        case ServiceDownError() as error:
            return error.reason, error.detail
        case PackshotError() as error:
            return "cannot be used", error.detail
        case error:
            return "could not be asked", repr(error)
