"""The store of a target."""

import asyncio

from botocore.credentials import Credentials

from core.domain.stores import StoreKind
from core.egress.client import EgressClient
from core.publishing.credentials import CredentialBox
from core.publishing.runs import RunClaim
from ops.publishing.s3_folder import S3Folder
from ops.publishing.shopify import Shopify
from ops.publishing.store import CredentialsRefusedError, Store
from ops.publishing.store_requests import Sleep, StoreRequests
from ops.publishing.woocommerce import WooCommerce, basic


def open_store(
    claim: RunClaim, box: CredentialBox, client: EgressClient, *, sleep: Sleep = asyncio.sleep
) -> Store:
    """Make the client of a run's store.

    Raises:
        CredentialsRefusedError: The target was deleted.
        SealedByAnotherError: No secret of the deployment opens its credentials.
    """
    if claim.credentials is None:
        raise CredentialsRefusedError("The target was deleted with its credentials.")
    known = box.open(claim.target_id, claim.credentials)
    if claim.kind is StoreKind.SHOPIFY:
        headers = {"X-Shopify-Access-Token": known["access_token"]}
        return Shopify(StoreRequests(client, headers=headers, sleep=sleep), claim.address)
    if claim.kind is StoreKind.S3:
        keys = Credentials(known["access_key_id"], known["secret_access_key"])
        exchange = StoreRequests(client, headers={}, sleep=sleep)
        return S3Folder(exchange, claim.address, keys, known["region"])
    headers = {"Authorization": basic(known["username"], known["application_password"])}
    return WooCommerce(StoreRequests(client, headers=headers, sleep=sleep), claim.address)
