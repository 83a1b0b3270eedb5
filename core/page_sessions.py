"""Sessions of the workbench: begun with a key, found by a cookie's token, ended."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlmodel import Session, col

from core.db.models import ApiKey, PageSession
from core.db.models.columns import new_id
from core.keys import hash_key, working

TOUCH_SECONDS = 60
"""How late a session's last use may be known: not every request writes."""


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A session that was found."""

    id: UUID
    key: ApiKey
    stale: bool
    """Whether its last use was written so long ago that it is time to write it again."""


def begin_session(session: Session, key: ApiKey, plain: str, *, seconds: float) -> str:
    """Insert a session.

    Args:
        session: An open transaction.
        key: Whose it is.
        plain: The key as it was sent, which may be the one before a rotation.
        seconds: How long it lasts at most.

    Returns:
        The token, 256 random bits, which is nowhere else.
    """
    token = secrets.token_urlsafe(32)
    row = PageSession(
        id=new_id(), digest=hash_key(token), api_key_id=key.id, key_digest=hash_key(plain)
    )
    row.expires_at = func.now() + timedelta(seconds=seconds)  # type: ignore[assignment]
    session.add(row)
    session.flush()
    return token


def find_session(session: Session, token: str, *, idle_seconds: float) -> SignedIn | None:
    """Find a token's session; None: it is unknown, has ended, or its key no longer works."""
    used, secret = col(PageSession.last_used_at), col(PageSession.key_digest)
    replaced = and_(col(ApiKey.previous_digest) == secret, col(ApiKey.previous_until) > func.now())
    stale = used < func.now() - timedelta(seconds=TOUCH_SECONDS)
    statement = (
        select(ApiKey, col(PageSession.id), stale)
        .join(PageSession, col(PageSession.api_key_id) == col(ApiKey.id))
        .where(
            col(PageSession.digest) == hash_key(token),
            col(PageSession.expires_at) > func.now(),
            used > func.now() - timedelta(seconds=idle_seconds),
            or_(col(ApiKey.digest) == secret, replaced),
            *working(),
        )
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        return None
    key, identity, is_stale = found
    return SignedIn(id=identity, key=key, stale=is_stale)


def touch_session(session: Session, identity: UUID) -> None:
    """Write that a session was used now."""
    statement = update(PageSession).where(col(PageSession.id) == identity)
    session.execute(statement.values(last_used_at=func.now()))


def end_session(session: Session, token: str) -> None:
    """Delete a token's session, if there is one."""
    session.execute(delete(PageSession).where(col(PageSession.digest) == hash_key(token)))


def prune_sessions(session: Session) -> None:
    """Delete the sessions that have lasted as long as they may."""
    session.execute(delete(PageSession).where(col(PageSession.expires_at) < func.now()))
