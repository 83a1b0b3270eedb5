"""API keys: made once, kept as a hash, found again by it."""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlmodel import Session, col

from core.budgets import queued_limit, request_limit, shared_limits, source_limit
from core.db.arrays import among
from core.db.models import ApiKey
from core.domain.cache_mode import CacheMode
from core.domain.grants import Grant
from core.domain.scopes import Scope
from core.errors import InvalidRequestError
from core.settings import Settings

PREFIX = "psk_"
"""What every key begins with, so that scanners for leaked secrets can find it."""

_SHOWN = len(PREFIX) + 6
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_key() -> str:
    """Make a key: 256 random bits behind the prefix."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(plain: str) -> str:
    """Digest a key as it is stored: SHA-256, hex. Random keys need no slow hash."""
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()


def create_key(
    session: Session,
    tenant: str,
    name: str = "",
    *,
    scopes: Collection[Scope] = tuple(Scope),
    expires_seconds: float | None = None,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
    queued_images: int | None = None,
    source_bytes: int | None = None,
    limits_of: ApiKey | None = None,
    approximate: bool | None = None,
    cache: CacheMode | None = None,
) -> tuple[ApiKey, str]:
    """Insert a new key.

    Args:
        session: An open transaction.
        tenant: Whose images the key sees.
        name: What the key is for.
        scopes: What it may do; everything, if not given.
        expires_seconds: How long it works; None: until `expires_at`.
        expires_at: When it ends, where `expires_seconds` does not say; None: when it is revoked.
        requests_per_minute: Most requests in a minute; 0 no limit, None: the setting decides.
        queued_images: Most images that wait or are computed; the same.
        source_bytes: Most bytes of the tenant's photographs when it sends one; the same.
        limits_of: The key in whose limits, or in those that it counts in itself, the new one
            counts too; None: in none but its own.
        approximate: Whether its requests agree to approximate images; None: the setting decides.
        cache: What its requests want of stored images; None: the setting decides.

    Returns:
        The row, and the key itself, which is nowhere else.

    Raises:
        InvalidRequestError: The tenant's name cannot be a part of object keys.
    """
    _check_tenant(tenant)
    plain = make_key()
    row = ApiKey(
        tenant=tenant,
        name=name,
        prefix=plain[:_SHOWN],
        digest=hash_key(plain),
        expires_at=expires_at,
        scopes=[scope.value for scope in Scope if scope in scopes],
        requests_per_minute=requests_per_minute,
        queued_images=queued_images,
        source_bytes=source_bytes,
        approximate=approximate,
        cache=cache,
        **({} if limits_of is None else shared_limits(limits_of)),
    )
    if expires_seconds is not None:
        row.expires_at = func.now() + timedelta(seconds=expires_seconds)  # type: ignore[assignment]
    session.add(row)
    session.flush()
    session.refresh(row)  # what Postgres's clock said
    return row, plain


def _check_tenant(tenant: str) -> None:
    if not _TENANT.fullmatch(tenant):
        raise InvalidRequestError(
            f"The tenant {tenant!r} cannot be used: name it with up to 64 letters, digits, '.', "
            "'_' and '-', the first one a letter or digit."
        )


def find_key(session: Session, plain: str) -> ApiKey | None:
    """Find the row of a key that was sent; None when it is unknown, revoked or expired."""
    return session.execute(_FIND, {"digest": hash_key(plain)}).scalar_one_or_none()


def list_keys(session: Session, tenant: str | None = None) -> Sequence[ApiKey]:
    """Return the keys, oldest first, the revoked ones too; of one tenant or of all."""
    statement = select(ApiKey).order_by(col(ApiKey.id))
    if tenant is not None:
        statement = statement.where(col(ApiKey.tenant) == tenant)
    return session.execute(statement).scalars().all()


def rotate_key(
    session: Session, key_id: UUID, *, tenant: str | None = None, overlap_seconds: float = 0.0
) -> tuple[ApiKey, str] | None:
    """Replace a key's secret; its id, scopes and limits stay.

    Args:
        session: An open transaction.
        key_id: Which.
        tenant: Whose; None: anybody's.
        overlap_seconds: How long the secret before still works; one before that works no more.

    Returns:
        The row, and the new secret, which is nowhere else; None when there is no such key that
        works.
    """
    plain = make_key()
    statement = (
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, *working(), *_of(tenant))
        .values(
            prefix=plain[:_SHOWN],
            digest=hash_key(plain),
            previous_digest=col(ApiKey.digest),
            previous_until=func.now() + timedelta(seconds=overlap_seconds),
        )
        .returning(ApiKey)
        .execution_options(populate_existing=True)
    )
    row = session.execute(statement).scalar_one_or_none()
    return None if row is None else (row, plain)


def revoke_key(session: Session, key_id: UUID, *, tenant: str | None = None) -> bool:
    """Make a key useless from now on, with the secret that a rotation left valid.

    Returns:
        False when there is no such key, or it was revoked before.
    """
    statement = (
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.revoked_at).is_(None), *_of(tenant))
        .values(revoked_at=func.now())
        .returning(col(ApiKey.id))
    )
    return session.execute(statement).first() is not None


def grant_of(key: ApiKey, settings: Settings, *, sent: str | None = None) -> Grant:
    """Return what a key may do.

    Args:
        key: The key.
        settings: What decides where it says nothing itself.
        sent: The secret that a request came with; that of before the last rotation ends sooner.
    """
    ends = [key.expires_at]
    if sent is not None and hash_key(sent) != key.digest:
        ends.append(key.previous_until)
    return Grant(
        tenant=key.tenant,
        scopes=frozenset(Scope(scope) for scope in key.scopes),
        expires_at=min((end for end in ends if end is not None), default=None),
        requests_per_minute=request_limit(key, settings),
        queued_images=queued_limit(key, settings),
        source_bytes=source_limit(key, settings),
    )


def prune_keys(session: Session, *, seconds: float) -> int:
    """Delete keys that were revoked or expired more than so many seconds ago; return how many."""
    ended = func.least(col(ApiKey.revoked_at), col(ApiKey.expires_at))
    gone = session.execute(delete(ApiKey).where(ended < func.now() - timedelta(seconds=seconds)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def note_use(session: Session, key_ids: Collection[UUID]) -> None:
    """Write that requests came with these keys."""
    session.execute(update(ApiKey).where(among(ApiKey.id, key_ids)).values(last_used_at=func.now()))


def working() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a key that is neither revoked nor expired."""
    expires = col(ApiKey.expires_at)
    return col(ApiKey.revoked_at).is_(None), or_(expires.is_(None), expires > func.now())


def _of(tenant: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if tenant is None else (col(ApiKey.tenant) == tenant,)


def _finding() -> Select[ApiKey]:
    """Build the query that every request begins with, once."""
    digest = bindparam("digest", type_=String)
    replaced = and_(col(ApiKey.previous_digest) == digest, col(ApiKey.previous_until) > func.now())
    return select(ApiKey).where(or_(col(ApiKey.digest) == digest, replaced), *working())


_FIND = _finding()
