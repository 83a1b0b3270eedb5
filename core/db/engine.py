"""Postgres: the engine and its sessions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any

import psycopg
from sqlalchemy import Engine, ExceptionContext, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from core.db.connections import (
    LONG_SECONDS,
    MARGIN_SECONDS,
    BoundedConnection,
    connection_arguments,
    is_silence,
)
from core.errors import ServiceDownError, first_line
from core.settings import Settings

DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)
"""Postgres is away, or has broken a deadlock at our expense: trying again may help."""

CHECK_SECONDS = 2.0
"""How long `Database.check` waits for a connection, and for an answer."""
PAUSE_SECONDS = 1.0
"""How long nobody asks after somebody has waited in vain: others would wait as long."""
POOL_SECONDS = 30.0
"""How long to wait for one of the pool's connections, unless somebody waits for an answer."""


class Database:
    """One process's pool of connections."""

    def __init__(
        self,
        settings: Settings,
        *,
        statement_seconds: float | None = None,
        pool_seconds: float = POOL_SECONDS,
    ) -> None:
        """Make it; it connects when it is first used.

        Args:
            settings: Where Postgres is, and how long it may take.
            statement_seconds: That a statement may take; None: what the settings give maintenance.
            pool_seconds: How long to wait for one of the pool's connections.
        """
        self.url = make_url(settings.database_url)
        self._settings = settings
        self._silent_until = 0.0
        seconds = statement_seconds or settings.maintenance_timeout
        self.engine = self._make_engine(
            seconds,
            answer_seconds=seconds + MARGIN_SECONDS,
            pool_size=settings.database_pool_size,
            pool_timeout=pool_seconds,
            max_overflow=0,
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.engine, "checkout", self._check_out)
        event.listen(self.engine, "handle_error", self._notice_silence)
        self._checks = self._make_engine(
            CHECK_SECONDS, answer_seconds=CHECK_SECONDS, poolclass=NullPool
        )

    def _make_engine(
        self, statement_seconds: float, *, answer_seconds: float, **pool: Any
    ) -> Engine:
        engine = create_engine(
            self.url,
            # Prompts are among the parameters, and errors are logged.
            hide_parameters=True,
            connect_args=connection_arguments(
                self.url,
                connect_seconds=self._settings.connect_timeout,
                statement_seconds=statement_seconds,
                pooler=self._settings.database_pooler,
            ),
            **pool,
        )

        def connect(_dialect: object, _record: object, parts: list[Any], named: Any) -> Any:
            connection = BoundedConnection.connect(*parts, **named)
            connection.answer_seconds = answer_seconds
            return connection

        def reset(connection: BoundedConnection, *_: object) -> None:
            connection.answer_seconds = answer_seconds

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "reset", reset)
        return engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session for one request or task: one commit at its end, none on an error."""
        with self.writer() as session:
            yield session
            session.commit()

    def writer(self) -> Session:
        """Return a session that its user commits and closes."""
        info = {LONG_SECONDS: self._settings.maintenance_timeout}
        return Session(self.engine, expire_on_commit=False, info=info)

    def reader(self) -> Session:
        """Return a session in autocommit mode, to be closed by its user."""
        return Session(self._autocommit, expire_on_commit=False)

    def check(self) -> None:
        """Check that Postgres answers, whether or not the pool has a connection left.

        Raises:
            ServiceDownError: It does not; the sentence names its address.
        """
        self.ask("select 1")

    def ask(self, question: str) -> None:
        """Check that Postgres can answer a query, on a connection of its own.

        Raises:
            ServiceDownError: It does not answer; the sentence names its address.
            sqlalchemy.exc.ProgrammingError: It has no such tables.
        """
        try:
            with self._checks.connect() as connection:
                connection.execute(text(question))
        except OperationalError as error:
            reason = first_line(error.orig or error)
            raise ServiceDownError(
                f"Postgres at {self.url.host}:{self.url.port} does not answer ({reason}). "
                "Start it, or correct PACKSHOT_DATABASE_URL.",
                reason=f"no answer in {CHECK_SECONDS:g} s"
                if is_silence(error.orig)
                else "does not answer",
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _check_out(self, connection: Any, _record: object, _proxy: object) -> None:
        """Refuse while Postgres is silent, and make the pool replace a connection that died.

        Postgres says nothing to an idle connection until it ends it, so the socket tells without a
        question: a round trip for each of a request's sessions is a tenth of a short request.
        """
        if time.monotonic() < self._silent_until:
            raise psycopg.OperationalError("others have just waited in vain")
        if connection.closed or _has_news(connection.fileno()):
            raise DisconnectionError

    def _notice_silence(self, context: ExceptionContext) -> None:
        if is_silence(context.original_exception):
            self._silent_until = time.monotonic() + PAUSE_SECONDS


def _has_news(socket: int) -> bool:
    # Not select(): it knows no more than 1,024 files, and a busy API has more open.
    news = poll()
    news.register(socket, POLLIN)
    return bool(news.poll(0))
