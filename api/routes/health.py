"""For supervisors and load balancers: whether the process lives, whether it can serve."""

import logging

from fastapi import Request, Response

from api.dependencies import ServicesNow
from api.problems import reason_in_log
from api.routing.strict_route import Router, StrictRoute
from api.schemas.operations import Health, Readiness

logger = logging.getLogger("packshot.api")

router = Router(route_class=StrictRoute, tags=["Health"])


@router.get("/healthz", operation_id="get_health")
async def get_health() -> Health:
    """Report that the process lives; nothing else is asked."""
    return Health()


@router.get("/readyz", operation_id="get_readiness", responses={503: {"model": Readiness}})
async def get_readiness(request: Request, services: ServicesNow, response: Response) -> Readiness:
    """Return in two seconds what is there; 503 when requests would be refused or soon will be.

    Without Redis requests are still accepted: their images start when it is back.
    """
    readiness = await services.readiness.look(services)
    for name, part in readiness.components.items():
        if not part.ok:
            logger.warning("%s at %s is missing: %s", name, part.address, part.detail)
            part.detail = reason_in_log(request)
    if readiness.status in ("unavailable", "draining"):
        response.status_code = 503
    return readiness
