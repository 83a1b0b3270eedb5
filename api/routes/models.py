"""Models: which there are, and what each can do."""

from fastapi import APIRouter, Depends

from api.dependencies import ServicesNow, SessionNow, Tenant, get_caller
from api.problems import problems
from api.routing.transaction_route import TransactionRoute
from api.schemas.models import ModelList
from api.views.models import list_models

router = APIRouter(
    route_class=TransactionRoute,
    prefix="/v1/models",
    tags=["Models"],
    dependencies=[Depends(get_caller)],
    responses=problems(401, 403, 422, 503),
)


@router.get("", operation_id="list_models")
def get_models(tenant: Tenant, services: ServicesNow, session: SessionNow) -> ModelList:
    """List the models that requests can name, with their limits, workers and your queued images."""
    return list_models(session, services.models, tenant)
