"""Shopify's Admin GraphQL API: operations one after another, as fast as it allows.

Throttling: https://shopify.dev/docs/api/usage/limits.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ops.publishing.shopify_operations import API_VERSION
from ops.publishing.store import CredentialsRefusedError, StoreAwayError, StoreRefusedError
from ops.publishing.store_requests import LONGEST_PAUSE, StoreRequests

RESERVE = 100.0
"""Points of cost that are left in Shopify's bucket before the next request: what one takes."""
THROTTLED_TRIES = 10
PAGE = 50
BUSY = {"NON_READY_STATE", "FILE_LOCKED", "MEDIA_CANNOT_BE_MODIFIED"}
"""Codes of errors that go by."""


class ShopifyError(StoreRefusedError):
    """Shopify understood a mutation and refused it."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("Shopify: " + " ".join(str(one.get("message")) for one in errors))
        self.codes = {str(one["code"]) for one in errors if one.get("code")}


class AdminApi:
    """One shop's."""

    def __init__(self, exchange: StoreRequests, address: str) -> None:
        """Send nothing yet.

        Args:
            exchange: Sends the shop's access token with each request.
            address: As in https://example.myshopify.com.
        """
        self._exchange = exchange
        self._url = f"{address.rstrip('/')}/admin/api/{API_VERSION}/graphql.json"

    async def pages(
        self, query: str, product: str, field: str
    ) -> AsyncIterator[Sequence[Mapping[str, Any]] | None]:
        """Yield the pages of a product's connection; None: there is no such product."""
        after = None
        while True:
            data = await self.ask(query, id=product, first=PAGE, after=after)
            if data["product"] is None:
                yield None
                return
            page = data["product"][field]
            yield page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    async def change(self, name: str, mutation: str, **variables: Any) -> Mapping[str, Any]:
        """Run a mutation; return its payload.

        Raises:
            StoreAwayError: What it is about is in the middle of something.
            ShopifyError: It is refused.
        """
        payload: Mapping[str, Any] = (await self.ask(mutation, **variables))[name]
        errors = payload.get("userErrors") or payload.get("mediaUserErrors") or ()
        if not errors:
            return payload
        error = ShopifyError(errors)
        if error.codes and error.codes <= BUSY:
            raise StoreAwayError(str(error))
        raise error

    async def ask(self, operation: str, /, **variables: Any) -> Mapping[str, Any]:
        """Run an operation, as slowly as Shopify's bucket of points fills."""
        for _ in range(THROTTLED_TRIES):
            document = await self._exchange.json(
                "POST", self._url, {"query": operation, "variables": variables}
            )
            cost = (document.get("extensions") or {}).get("cost") or {}
            errors = document.get("errors")
            if not errors:
                await self._exchange.sleep(_until(cost, RESERVE))
                data: Mapping[str, Any] = document["data"]
                return data
            codes = _codes(errors)
            if "THROTTLED" not in codes:
                raise _failure(codes, errors)
            needed = float(cost.get("requestedQueryCost") or RESERVE)
            await self._exchange.sleep(max(1.0, _until(cost, needed)))
        raise StoreAwayError("Shopify throttles each request.", seconds=LONGEST_PAUSE)


def _until(cost: Mapping[str, Any], points: float) -> float:
    """Return the seconds until Shopify's bucket has so many points."""
    status = cost.get("throttleStatus") or {}
    available = float(status.get("currentlyAvailable", points))
    most = float(status.get("maximumAvailable", points))
    rate = max(float(status.get("restoreRate", 50.0)), 1.0)
    return min(max(0.0, (min(points, most) - available) / rate), LONGEST_PAUSE)


def _codes(errors: Any) -> set[str]:
    if not isinstance(errors, list):
        return set()
    return {str((one.get("extensions") or {}).get("code")) for one in errors}


def _failure(codes: set[str], errors: Any) -> Exception:
    """Return what errors of a whole operation mean: they come with status 200."""
    told = errors if isinstance(errors, list) else [{"message": errors}]
    sentence = "Shopify: " + " ".join(str(one.get("message")) for one in told)
    if "ACCESS_DENIED" in codes:
        return CredentialsRefusedError(sentence)
    if "INTERNAL_SERVER_ERROR" in codes:
        return StoreAwayError(sentence)
    return StoreRefusedError(sentence)
