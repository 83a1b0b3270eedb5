"""For Prometheus: what this API's processes counted, and what Postgres knows of all."""

from typing import Annotated

from fastapi import Header, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from api.dependencies import ServicesNow
from api.description import file_of
from api.problems import problems
from api.process.metrics import process_metrics
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.views.metrics import shared_metrics
from core.errors import UnauthorizedError
from core.metrics_server import HINT, opens_metrics

router = Router(route_class=TransactionRoute, tags=["Health"])


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=Response,
    responses={200: file_of("text/plain"), **problems(401, 503)},
)
def get_metrics(services: ServicesNow, authorization: Annotated[str, Header()] = "") -> Response:
    """Export the requests of this API, and the queue and the caches of all.

    With a token of its own (`PACKSHOT_METRICS_TOKEN`): a tenant's key must not show what other
    tenants' requests found.
    """
    if not opens_metrics(authorization, services.settings.metrics_token):
        raise UnauthorizedError(HINT)
    # The broker is asked when they are written: no session is held then.
    with services.database.reader() as session:
        shared = shared_metrics(session, services.broker)
    own = process_metrics()
    return Response(generate_latest(own) + generate_latest(shared), media_type=CONTENT_TYPE_LATEST)
