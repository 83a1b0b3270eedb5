"""The certificate that a deployment made for itself."""

from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from core.db.models.columns import created, identity


class SigningCertificate(SQLModel, table=True):
    """What signs content credentials where the settings name no files: the newest."""

    __tablename__ = "signing_certificate"

    id: UUID = identity()
    chain: str
    """PEM."""
    key: str
    """PEM (PKCS #8): a secret."""
    created_at: datetime = created()
