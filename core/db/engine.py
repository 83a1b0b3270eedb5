"""Postgres: the engine and its sessions."""

from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from core.errors import ServiceDownError, first_line
from core.settings import Settings

DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)
"""Postgres is away, or has broken a deadlock at our expense: trying again may help."""


class Database:
    """One process's pool of connections."""

    def __init__(self, settings: Settings) -> None:
        self.url = make_url(settings.database_url)
        self.engine: Engine = create_engine(
            self.url,
            pool_size=settings.database_pool_size,
            max_overflow=0,
            # Prompts are among the parameters, and errors are logged.
            hide_parameters=True,
            connect_args={"connect_timeout": max(1, round(settings.connect_timeout))},
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.engine, "checkout", _replace_dead)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session for one request or task: one commit at its end, none on an error."""
        with self.writer() as session:
            yield session
            session.commit()

    def writer(self) -> Session:
        """Return a session that its user commits and closes."""
        return Session(self.engine, expire_on_commit=False)

    def reader(self) -> Session:
        """Return a session in autocommit mode, to be closed by its user."""
        return Session(self._autocommit, expire_on_commit=False)

    def check(self) -> None:
        """Check that Postgres answers.

        Raises:
            ServiceDownError: It does not; the sentence names its address.
        """
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except OperationalError as error:
            reason = first_line(error.orig or error)
            raise ServiceDownError(
                f"Postgres at {self.url.host}:{self.url.port} does not answer ({reason}). "
                "Start it, or correct PACKSHOT_DATABASE_URL."
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _replace_dead(connection: Any, _record: object, _proxy: object) -> None:
    """Make the pool replace a connection that died with a restarted Postgres.

    Postgres says nothing to an idle connection until it ends it, so the socket tells without a
    question: a round trip for each of a request's sessions is a tenth of a short request.
    """
    if connection.closed or _has_news(connection.fileno()):
        raise DisconnectionError


def _has_news(socket: int) -> bool:
    # Not select(): it knows no more than 1,024 files, and a busy API has more open.
    news = poll()
    news.register(socket, POLLIN)
    return bool(news.poll(0))
