"""What signs a deployment's images: files that the settings name, or a certificate of its own.

That of its own is made by the first process that needs one and kept in Postgres, beside the other
secrets, so that all processes on all machines sign alike.
"""

from pathlib import Path

from sqlmodel import Session, col, select

from core.db.engine import Database
from core.db.locks import take_advisory_lock
from core.db.models import SigningCertificate
from core.errors import InvalidSettingError
from core.pictures.certificate import Certificate, make_certificate
from core.pictures.credentials import Credentials
from core.settings import Settings


def credentials_of(settings: Settings, database: Database) -> Credentials | None:
    """Return what signs; None: nothing is signed.

    Files are read, and tried, at once; the database is asked when first something is signed.

    Raises:
        InvalidSettingError: One of the files is missing, or they cannot be used.
    """
    if not settings.content_credentials:
        return None
    named = named_certificate(settings)
    credentials = Credentials(lambda: named or kept_certificate(database))
    if named:
        credentials.load()
    return credentials


def named_certificate(settings: Settings) -> Certificate | None:
    """Read the files that the settings name; None: they name none.

    Raises:
        InvalidSettingError: One of them is missing.
    """
    chain, key = settings.c2pa_certificate, settings.c2pa_key
    if not chain and not key:
        return None
    if not chain or not key:
        raise InvalidSettingError(
            "PACKSHOT_C2PA_CERTIFICATE and PACKSHOT_C2PA_KEY go together: give both, or none."
        )
    return Certificate(chain=_read(chain), key=_read(key))


def kept_certificate(database: Database) -> Certificate:
    """Return the deployment's own certificate, made now if there is none."""
    newest = select(SigningCertificate).order_by(col(SigningCertificate.id).desc()).limit(1)
    with database.session() as session:
        kept = session.exec(newest).first()
        if kept is None:
            # Of those who come at the same moment one makes it.
            take_advisory_lock(session, "signing certificate")
            kept = session.exec(newest).first() or _make(session)
        return Certificate(chain=kept.chain, key=kept.key)


def _make(session: Session) -> SigningCertificate:
    made = make_certificate()
    kept = SigningCertificate(chain=made.chain, key=made.key)
    session.add(kept)
    session.commit()
    return kept


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingError(
            f"{path} cannot be read as PEM ({error}). Correct PACKSHOT_C2PA_CERTIFICATE or "
            "PACKSHOT_C2PA_KEY."
        ) from error
