"""What a key may do, by its scopes."""

from uuid import uuid4

import pytest

from core.keys import create_key
from core.scopes import Scope

NEEDS = {
    ("GET", "/v1/batches"): Scope.READ,
    ("GET", f"/v1/jobs/{uuid4()}"): Scope.READ,
    ("GET", f"/v1/batches/{uuid4()}/results.csv"): Scope.READ,
    ("GET", "/v1/stats"): Scope.READ,
    ("POST", "/v1/jobs"): Scope.SUBMIT,
    ("POST", "/v1/batches"): Scope.SUBMIT,
    ("POST", f"/v1/jobs/{uuid4()}/cancel"): Scope.SUBMIT,
    ("POST", f"/v1/batches/{uuid4()}/cancel"): Scope.SUBMIT,
    ("POST", "/v1/cache/purge"): Scope.ADMIN,
}
BODIES = {
    "/v1/jobs": {"prompt": "a red mug"},
    "/v1/batches": {"rows": [{"sku": "A", "prompt": "a red mug"}]},
    "/v1/cache/purge": {"all": True},
}


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_does_what_its_scope_allows_and_nothing_else(client, database, scope):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[scope])
    for (method, path), needed in NEEDS.items():
        answer = client.request(
            method, path, headers={"Authorization": f"Bearer {plain}"}, json=BODIES.get(path)
        )
        if needed is scope:
            assert answer.status_code in (200, 202, 404), (path, answer.text)
        else:
            assert answer.status_code == 403, (path, answer.text)
            assert answer.json()["code"] == "forbidden"
            assert f"--scope {needed.value}" in answer.json()["detail"]


def test_a_key_without_named_scopes_may_do_everything(database):
    with database.session() as session:
        row, _ = create_key(session, "shop")
    assert row.scopes == ["read", "submit", "admin"]
