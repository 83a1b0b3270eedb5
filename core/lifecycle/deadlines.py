"""The moment until which images are wanted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import Session

from core.domain.image_request import ImageRequest


def with_deadline(
    session: Session, wanted: Sequence[ImageRequest], seconds: float | None
) -> Sequence[ImageRequest]:
    """Add the moment until which the images are wanted, by Postgres's clock."""
    if seconds is None:
        return wanted
    now: datetime = session.execute(select(func.now())).scalar_one()
    return [replace(one, deadline_at=now + timedelta(seconds=seconds)) for one in wanted]
