"""What a batch and the metrics say of images whose model no worker serves."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from core.lifecycle import serving
from tests.integration.api.conftest import describe_bundle

SHEET = "sku,prompt\nA,a red mug\nB,a blue mug\n"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"metrics_token": SecretStr("t0ken")})


@pytest.fixture
def waiting(client):
    """Give what a batch, the list of batches and the metrics say."""

    def waiting(batch):
        shown = client.get(f"/v1/batches/{batch['id']}").json()["waiting_for_model"]
        listed = {
            one["id"]: one["waiting_for_model"] for one in client.get("/v1/batches").json()["items"]
        }
        assert listed[batch["id"]] == shown
        answer = client.get("/metrics", headers={"Authorization": "Bearer t0ken"})
        (images,) = (
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == "packshot_waiting_for_model_images"
        )
        return shown, images

    return waiting


def test_images_whose_model_was_replaced_are_counted(client, send, waiting, database, shop, bundle):
    def serve(name, revision):
        with database.session() as session:
            serving.announce(session, name, {revision})

    batch = send(client, SHEET)
    assert batch["waiting_for_model"] == 0
    assert waiting(batch) == (0, 0), "no worker is there yet"
    serve("old", "1" * 64)
    assert waiting(batch) == (0, 0)

    with database.session() as session:
        serving.leave(session, "old")
    serve("new", "2" * 64)
    describe_bundle(bundle, revision="2")
    fresh = send(client, SHEET)
    assert waiting(batch) == (2, 2)
    assert waiting(fresh) == (0, 2)

    job = client.get(batch["links"]["items"]).json()["items"][0]["id"]
    shop.start(job)
    assert waiting(batch) == (1, 1), "what runs has found a worker"
