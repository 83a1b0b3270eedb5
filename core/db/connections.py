"""One connection to Postgres, on which nobody waits for ever.

A statement that takes too long is ended by Postgres (`statement_timeout`), a connection over a
network that is gone by the kernel (keepalives, `TCP_USER_TIMEOUT`). A server that is stopped, and a
proxy that swallows what it is sent, do neither, and their kernels go on to acknowledge: so the
client counts the seconds, too.
"""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from sqlalchemy import URL, text
from sqlmodel import Session

MARGIN_SECONDS = 2.0
"""How much longer than a statement may take its answer is waited for: Postgres ends it first."""
IDLE_SECONDS = 300
"""How long a transaction may do nothing: its process is stopped, or is gone unnoticed."""
LOCK_SECONDS = 30.0
"""How long a statement waits for a lock, at most; those of requests have less time altogether."""

LONG_SECONDS = "packshot.long_seconds"
"""Under which a session's `info` has how long a statement over many rows may take."""

TCP = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds until what was sent must have been acknowledged.
    "tcp_user_timeout": 20_000,
}
"""After 25 seconds the kernel gives up a connection whose other side is gone."""


class NoAnswerError(psycopg.OperationalError):
    """Postgres took a question, and gave no answer in time."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed where an answer does not come in time."""

    answer_seconds: float | None = None
    """How long to wait for each answer, or part of one; None: for ever."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer.

        Raises:
            NoAnswerError: It did not come; the connection is closed.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except _WaitTimeout:
            # What was asked may still be answered: nothing else can be asked here any more.
            self.pgconn.finish()
            raise NoAnswerError(f"no answer in {self.answer_seconds:g} s") from None


def connection_arguments(
    url: URL, *, connect_seconds: float, statement_seconds: float, pooler: bool
) -> dict[str, Any]:
    """Return what libpq and psycopg are told beside the address.

    Args:
        url: May have `options` of its own.
        connect_seconds: Until a connection must be there.
        statement_seconds: That a statement may take.
        pooler: Whether PgBouncer, or the like, hands out its connections by transaction: it takes
            no options for a connection, and statements that are prepared on one are not on another.
    """
    arguments = {**TCP, "connect_timeout": max(1, round(connect_seconds))}
    if pooler:
        return {**arguments, "prepare_threshold": None}
    milliseconds = {
        "statement_timeout": statement_seconds,
        "lock_timeout": min(statement_seconds, LOCK_SECONDS),
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    given = url.query.get("options", ())
    options = [given] if isinstance(given, str) else [*given]
    options += [f"-c {name}={round(1000 * value)}" for name, value in milliseconds.items()]
    return {**arguments, "options": " ".join(options)}


def is_silence(error: BaseException | None) -> bool:
    """Check whether an error is that of somebody who waited for Postgres in vain."""
    return isinstance(error, NoAnswerError | ConnectionTimeout)


def allow_long_statements(session: Session) -> None:
    """Allow a transaction's further statements as long as maintenance's: they have many rows."""
    limit_statements(session, session.info[LONG_SECONDS])


def limit_statements(session: Session, seconds: float) -> None:
    """Limit each of a transaction's further statements, whatever others may take."""
    session.execute(text(f"set local statement_timeout = {round(1000 * seconds)}"))
    connection = session.connection().connection.dbapi_connection
    if isinstance(connection, BoundedConnection):
        connection.answer_seconds = seconds + MARGIN_SECONDS
