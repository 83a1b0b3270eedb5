"""Postgres's clock, which all processes share."""

from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session


def transaction_time(session: Session) -> datetime:
    """Return when the transaction began: what `now()` is in all of its statements."""
    moment: datetime = session.execute(select(func.now())).scalar_one()
    return moment
