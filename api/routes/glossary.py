"""The tenant's glossary: their words, and the model's words for them."""

from fastapi import Depends

from api.dependencies import SessionNow, Submitter, Tenant, get_caller
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.glossary import GlossaryRequest, GlossaryView
from core.db.models import TenantGlossary
from core.glossary import read_glossary, replace_glossary

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/glossary",
    tags=["Glossary"],
    dependencies=[Depends(get_caller)],
)


@router.get("", operation_id="get_glossary")
def get_glossary(tenant: Tenant, session: SessionNow) -> GlossaryView:
    """Show which words of yours prompts say otherwise."""
    return _view(read_glossary(session, tenant))


@router.put("", operation_id="update_glossary")
def put_glossary(request: GlossaryRequest, caller: Submitter, session: SessionNow) -> GlossaryView:
    """Replace the whole glossary; prompts that were made with the old one stay as they are."""
    return _view(replace_glossary(session, caller.tenant, request.entries))


def _view(glossary: TenantGlossary) -> GlossaryView:
    entries = dict(sorted(glossary.entries.items(), key=lambda entry: entry[0].casefold()))
    return GlossaryView(entries=entries, updated_at=glossary.updated_at)
