"""API keys: made once, kept as a hash, found again by it."""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from core.cache_mode import CacheMode
from core.errors import InvalidRequestError
from core.models import ApiKey
from core.scopes import Scope

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
    approximate: bool | None = None,
    cache: CacheMode | None = None,
) -> tuple[ApiKey, str]:
    """Insert a new key.

    Args:
        session: An open transaction.
        tenant: Whose images the key sees.
        name: What the key is for.
        scopes: What it may do; everything, if not given.
        approximate: Whether its requests agree to approximate images; None: the setting decides.
        cache: What its requests want of stored images; None: the setting decides.

    Returns:
        The row, and the key itself, which is nowhere else.

    Raises:
        InvalidRequestError: The tenant's name cannot be a part of object keys.
    """
    if not _TENANT.fullmatch(tenant):
        raise InvalidRequestError(
            f"The tenant {tenant!r} cannot be used: up to 64 letters, digits, '.', '_' and '-', "
            "the first one a letter or digit."
        )
    plain = make_key()
    row = ApiKey(
        tenant=tenant,
        name=name,
        prefix=plain[:_SHOWN],
        digest=hash_key(plain),
        scopes=[scope.value for scope in Scope if scope in scopes],
        approximate=approximate,
        cache=cache,
    )
    session.add(row)
    session.flush()
    return row, plain


def find_key(session: Session, plain: str) -> ApiKey | None:
    """Find the row of a key that was sent; None when it is unknown or revoked."""
    statement = select(ApiKey).where(
        col(ApiKey.digest) == hash_key(plain), col(ApiKey.revoked_at).is_(None)
    )
    return session.execute(statement).scalar_one_or_none()


def list_keys(session: Session, tenant: str | None = None) -> Sequence[ApiKey]:
    """Give the keys, oldest first, the revoked ones too; of one tenant or of all."""
    statement = select(ApiKey).order_by(col(ApiKey.id))
    if tenant is not None:
        statement = statement.where(col(ApiKey.tenant) == tenant)
    return session.execute(statement).scalars().all()


def revoke_key(session: Session, key_id: UUID) -> bool:
    """Make a key useless from now on.

    Returns:
        False when there is no such key, or it was revoked before.
    """
    statement = (
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=func.now())
        .returning(col(ApiKey.id))
    )
    return session.execute(statement).first() is not None
