"""What the caches of all processes did, added up; and what they hold in memory."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, moment


class CacheStat(SQLModel, table=True):
    """One count since the beginning: by tenant, level (`core.cache_stats`) and outcome."""

    __tablename__ = "cache_stat"

    tenant: str = Field(primary_key=True)
    """Empty: nobody's in particular."""
    level: str = Field(primary_key=True)
    """No enum: an older process must not fail on a newer one's level."""
    outcome: str = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    steps_saved: float
    """UNet steps, of one image each."""
    seconds_saved: float


class CacheHolding(SQLModel, table=True):
    """What one process holds in memory in one cache; outdated when it is no longer renewed."""

    __tablename__ = "cache_holding"

    process: str = Field(primary_key=True)
    level: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    """Bytes."""
    entries: int
    seen_at: Moment = moment()
