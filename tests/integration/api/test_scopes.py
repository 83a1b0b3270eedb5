"""What a key may do, by its scopes."""

import re
from uuid import uuid4

import pytest

from core.domain.scopes import Scope
from core.keys import create_key
from tests.integration.api.test_tenants import OPEN, operations

SUBMIT = {
    ("POST", "/v1/jobs"),
    ("POST", "/v1/jobs/{job_id}/cancel"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/batches/{batch_id}/cancel"),
    ("POST", "/v1/batches/{batch_id}/retry"),
    ("POST", "/v1/batches/{batch_id}/redo"),
    ("POST", "/v1/jobs/{job_id}/redo"),
    ("POST", "/v1/recipes"),
    ("PUT", "/v1/glossary"),
    ("POST", "/v1/sources"),
    ("DELETE", "/v1/jobs/{job_id}"),
    ("DELETE", "/v1/jobs/{job_id}/image"),
    ("POST", "/v1/bulk-jobs"),
    ("PUT", "/v1/jobs/{job_id}/alt-text"),
    ("DELETE", "/v1/batches/{batch_id}"),
    ("DELETE", "/v1/recipes/{name}"),
    ("DELETE", "/v1/mappings/{mapping_id}"),
    ("DELETE", "/v1/sources/{source_id}"),
}
REVIEW = {
    ("PUT", "/v1/jobs/{job_id}/approval"),
    ("POST", "/v1/batches/{batch_id}/approvals"),
}
ADMIN = {
    ("GET", "/v1/usage"),
    ("POST", "/v1/cache/purge"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("POST", "/v1/keys/{key_id}/rotate"),
    ("DELETE", "/v1/keys/{key_id}"),
    ("POST", "/v1/webhook-endpoints"),
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"),
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/replay"),
    ("POST", "/v1/webhook-deliveries/{delivery_id}/replay"),
    ("POST", "/v1/callbacks/secret"),
    ("POST", "/v1/publish-targets"),
    ("PUT", "/v1/publish-targets/{name}/credentials"),
    ("DELETE", "/v1/publish-targets/{name}"),
}
"""What changes something; everything else reads."""
PUBLISH = {
    ("POST", "/v1/publishes"),
    ("POST", "/v1/publishes/{run_id}/start"),
    ("POST", "/v1/publishes/{run_id}/undo"),
}
READ = {("POST", "/v1/detect")}
"""What changes nothing, and is no GET because of its body."""

BODIES = {
    "/v1/jobs": {"prompt": "a red mug"},
    "/v1/bulk-jobs": {"requests": [{"prompt": "a red mug"}]},
    "/v1/batches": {"rows": [{"sku": "A", "prompt": "a red mug"}]},
    "/v1/cache/purge": {"all": True},
    "/v1/glossary": {"entries": {}},
}


def needed(method: str, path: str) -> Scope:
    if (method, path) in ADMIN:
        return Scope.ADMIN
    if (method, path) in PUBLISH:
        return Scope.PUBLISH
    if (method, path) in REVIEW:
        return Scope.REVIEW
    if (method, path) in SUBMIT:
        return Scope.SUBMIT
    assert method == "GET" or (method, path) in READ, f"{method} {path}: say which scope it needs"
    return Scope.READ


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_does_what_its_scope_allows_and_nothing_else(client, database, scope):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[scope])
    headers = {"Authorization": f"Bearer {plain}"}
    walked = [one for one in operations(client) if one[1] not in OPEN]
    assert set(walked) >= SUBMIT | REVIEW | ADMIN | PUBLISH
    for method, path in walked:
        filled = re.sub(r"{\w+}", str(uuid4()), path)
        body = None if method == "GET" else BODIES.get(path, {})
        answer = client.request(method, filled, headers=headers, json=body)
        needs = needed(method, path)
        if needs is scope:
            assert answer.status_code in (200, 201, 202, 404, 415, 422), (path, answer.text)
        else:
            assert answer.status_code == 403, (path, answer.text)
            assert answer.json()["code"] == "forbidden"
            assert f"--scope {needs.value}" in answer.json()["detail"]


def test_a_key_without_named_scopes_may_do_everything(database):
    with database.session() as session:
        row, _ = create_key(session, "shop")
    assert row.scopes == ["read", "submit", "review", "publish", "admin"]
