"""A tenant's glossary: kept whole, replaced whole."""

from collections.abc import Mapping

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from core.db.models import TenantGlossary


def read_glossary(session: Session, tenant: str) -> TenantGlossary:
    """Return a tenant's glossary; an empty one where there is none."""
    return session.get(TenantGlossary, tenant) or TenantGlossary(tenant=tenant, entries={})


def replace_glossary(session: Session, tenant: str, entries: Mapping[str, str]) -> TenantGlossary:
    """Store a tenant's glossary in the place of what was there; none of it where it is empty."""
    values = {"entries": dict(entries), "updated_at": func.now()}
    statement = insert(TenantGlossary).values(tenant=tenant, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["tenant"], set_=values))
    session.expire_all()
    return read_glossary(session, tenant)
