"""Targets: stores that a tenant publishes into."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from core.db.clock import transaction_time
from core.db.locks import take_advisory_lock
from core.db.models import PublishTarget
from core.domain.stores import CREDENTIALS, StoreKind
from core.errors import ConflictError, InvalidRequestError, NotFoundError
from core.publishing.credentials import CredentialBox

MOST = 50
"""Targets of one tenant."""


def add(
    session: Session,
    box: CredentialBox,
    tenant: str,
    *,
    name: str,
    kind: StoreKind,
    address: str,
    credentials: Mapping[str, str],
) -> PublishTarget:
    """Insert a target.

    Args:
        session: An open transaction.
        box: Encrypts the credentials.
        tenant: Whose store it is.
        name: The tenant's name for it.
        kind: Whose API it speaks.
        address: Judged already.
        credentials: Those of `core.domain.stores.CREDENTIALS`.

    Raises:
        InvalidRequestError: The credentials are not those that the kind asks for, or an address
            lacks its bucket.
        ConflictError: The name is in use, there are too many, or the server has no secret.
    """
    check_credentials(kind, credentials)
    if kind is StoreKind.S3:
        _check_bucket(address)
    take_advisory_lock(session, f"publish targets {tenant}")
    present = list_them(session, tenant)
    if len(present) >= MOST:
        raise ConflictError(f"There are {MOST} publish targets already; delete one first.")
    if any(one.name == name for one in present):
        raise ConflictError(f"There is a publish target {name!r} already; choose another name.")
    target = PublishTarget(tenant=tenant, name=name, kind=kind, address=address)
    target.credentials = box.seal(target.id, credentials)
    session.add(target)
    session.flush()
    session.refresh(target)
    return target


def _check_bucket(address: str) -> None:
    if not urlsplit(address).path.strip("/"):
        raise InvalidRequestError(
            "The address of an s3 target is that of the service, with bucket and folder: "
            "https://s3.eu-central-1.amazonaws.com/BUCKET/FOLDER."
        )


def check_credentials(kind: StoreKind, credentials: Mapping[str, str]) -> None:
    """Check that credentials are those that a kind of store asks for.

    Raises:
        InvalidRequestError: One is missing, empty, not a header's text, or of no use.
    """
    wanted = CREDENTIALS[kind]
    if set(credentials) != set(wanted):
        names = " and ".join(f"`{one}`" for one in wanted)
        raise InvalidRequestError(f"The credentials of a {kind.value} target are {names}.")
    for name, value in credentials.items():
        if not value.strip() or not value.isascii() or not value.isprintable():
            raise InvalidRequestError(
                f"The credential `{name}` must be a text of ASCII characters without line ends."
            )


def replace_credentials(
    session: Session, box: CredentialBox, target: PublishTarget, credentials: Mapping[str, str]
) -> None:
    """Replace a target's credentials.

    Raises:
        InvalidRequestError: As in `check_credentials`.
        ConflictError: The server has no secret.
    """
    check_credentials(target.kind, credentials)
    target.credentials = box.seal(target.id, credentials)
    session.flush()


def list_them(session: Session, tenant: str) -> Sequence[PublishTarget]:
    """Return a tenant's targets, oldest first."""
    statement = (
        select(PublishTarget)
        .where(col(PublishTarget.tenant) == tenant, col(PublishTarget.deleted_at).is_(None))
        .order_by(col(PublishTarget.id))
    )
    return session.execute(statement).scalars().all()


def find(session: Session, tenant: str, name: str) -> PublishTarget:
    """Find a target by its name.

    Raises:
        NotFoundError: The tenant has none of this name.
    """
    statement = select(PublishTarget).where(
        col(PublishTarget.tenant) == tenant,
        col(PublishTarget.name) == name,
        col(PublishTarget.deleted_at).is_(None),
    )
    found: PublishTarget | None = session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            f"There is no publish target {name!r} here. GET /v1/publish-targets lists them."
        )
    return found


def delete(session: Session, target: PublishTarget) -> None:
    """Delete a target with its credentials; what was published stays as it is."""
    target.deleted_at = transaction_time(session)
    target.credentials = None
    session.flush()


def renew_credentials(session: Session, box: CredentialBox) -> int:
    """Encrypt what older secrets encrypted with the first one; return how many there were."""
    statement = select(PublishTarget).where(col(PublishTarget.credentials).is_not(None))
    renewed = 0
    for target in session.execute(statement.with_for_update(skip_locked=True)).scalars():
        sealed = box.renew(target.id, target.credentials or b"")
        if sealed is not None:
            target.credentials = sealed
            renewed += 1
    session.flush()
    return renewed


def sealed_credentials(session: Session, target_id: UUID) -> bytes | None:
    """Return a target's encrypted credentials; None: it was deleted."""
    statement = select(col(PublishTarget.credentials)).where(col(PublishTarget.id) == target_id)
    return session.execute(statement).scalar_one_or_none()
