"""One image: asked for, made, downloaded."""

import hashlib
import json

import pytest
from structlog.testing import capture_logs

from bundles.manifest_file import load_manifest, save_manifest
from bundles.scheduler_support import SchedulerSupport
from core.errors import GenerationFailedError
from core.lifecycle import rescue
from tests.integration.api.conftest import PIXELS
from tests.integration.shop import poll


def test_asking_for_an_image_answers_at_once_with_a_queued_job_and_the_models_defaults(client):
    answer = client.post("/v1/jobs", json={"prompt": "a red mug", "sku": "MUG-1"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    expected = {
        "sku": "MUG-1", "prompt": "a red mug", "negative_prompt": "", "width": 64, "height": 64,
        "steps": 4, "guidance_scale": 3.0, "scheduler": "ddim", "variant": 1, "line": None,
        "batch_id": None, "state": "queued", "cache": "miss", "lane": "interactive",
        "warning": None, "error": None, "seconds": None, "image": None, "started_at": None,
        "finished_at": None,
    }  # fmt: skip
    assert {name: job[name] for name in expected} == expected
    assert client.get(answer.headers["location"]).json() == job


def test_a_finished_job_says_where_its_image_is_and_what_it_took(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"])
    done = client.get(f"/v1/jobs/{job['id']}").json()
    assert done["state"] == "succeeded"
    assert done["seconds"] == 1.5
    assert done["image"] == {
        "url": f"/v1/jobs/{job['id']}/image",
        "content_type": "image/png",
        "digest": hashlib.sha256(PIXELS).hexdigest(),
        "size": len(PIXELS),
        "width": 64,
        "height": 64,
    }


def test_the_same_request_again_is_answered_from_store(client, worker):
    request = {"prompt": "a red mug", "seed": 7}
    worker.make(client.post("/v1/jobs", json=request).json()["id"])
    again = client.post("/v1/jobs", json=request)
    assert again.status_code == 202
    assert again.json()["state"] == "succeeded"
    assert again.json()["cache"] == "exact"
    assert again.json()["generation_id"] is None
    assert again.json()["seconds"] == 0
    assert client.get(again.json()["image"]["url"]).content == PIXELS


def test_the_same_request_while_it_runs_joins_it(client, shop, worker):
    first = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    second = client.post("/v1/jobs", json={"prompt": "A  RED mug"}).json()
    assert (first["cache"], second["cache"]) == ("miss", "coalesced")
    assert first["generation_id"] == second["generation_id"] == str(shop.generation_of(first["id"]))
    worker.make(first["id"])
    assert client.get(f"/v1/jobs/{second['id']}").json()["state"] == "succeeded"


def test_another_model_never_answers_with_the_old_models_images(client, worker, bundle):
    from tests.integration.api.conftest import describe_bundle

    worker.make(client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["id"])
    describe_bundle(bundle, revision="2")
    again = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    assert again["cache"] == "miss"


def test_the_image_comes_with_its_digest_and_is_not_sent_twice(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    image = worker.make(job["id"])
    answer = client.get(f"/v1/jobs/{job['id']}/image")
    assert answer.content == PIXELS
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(len(PIXELS))
    assert answer.headers["etag"] == f'"{image.digest}"'
    assert "immutable" in answer.headers["cache-control"]
    for tag in (answer.headers["etag"], f'"other", W/"{image.digest}"', "*"):
        cached = client.get(f"/v1/jobs/{job['id']}/image", headers={"If-None-Match": tag})
        assert (cached.status_code, cached.content) == (304, b"")
    other = client.get(f"/v1/jobs/{job['id']}/image", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_the_image_can_be_read_from_the_storage_itself_without_a_key(client, worker):
    import httpx

    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"])
    answer = client.get(f"/v1/jobs/{job['id']}/image?redirect=1", follow_redirects=False)
    assert answer.status_code == 307
    assert httpx.get(answer.headers["location"], trust_env=False).content == PIXELS


def test_an_image_that_is_not_ready_is_a_conflict_that_says_when_to_ask_again(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    for state, change in (("queued", None), ("running", worker.start)):
        if change:
            change(job["id"])
        answer = client.get(f"/v1/jobs/{job['id']}/image")
        assert answer.status_code == 409
        assert answer.json()["state"] == state
        assert int(answer.headers["retry-after"]) >= 1


def test_a_failed_job_says_why_and_has_no_image_for_good(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.fail(job["id"], GenerationFailedError("The model made no numbers."))
    failed = client.get(f"/v1/jobs/{job['id']}").json()
    assert failed["state"] == "failed"
    assert failed["error"] == {
        "code": "generation_failed",
        "message": "The model made no numbers.",
        "retry_helps": True,
    }
    answer = client.get(f"/v1/jobs/{job['id']}/image")
    assert answer.status_code == 410
    assert "The model made no numbers." in answer.json()["detail"]


def test_an_image_that_was_deleted_from_the_storage_is_gone_and_computed_again(
    client, worker, storage
):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    image = worker.make(job["id"])
    storage.client.delete_object(Bucket=storage.bucket, Key=image.key)
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "exact"
    answer = client.get(f"/v1/jobs/{job['id']}/image")
    assert answer.status_code == 410
    assert "Submit the request again" in answer.json()["detail"]
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"


def test_a_cancelled_job_ends_and_a_finished_one_stays(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    answer = client.post(f"/v1/jobs/{job['id']}/cancel")
    assert answer.status_code == 202
    assert answer.json()["state"] == "canceled"
    assert answer.json()["finished_at"] is not None
    assert client.get(f"/v1/jobs/{job['id']}/image").status_code == 410

    made = client.post("/v1/jobs", json={"prompt": "a blue mug"}).json()
    worker.make(made["id"])
    assert client.post(f"/v1/jobs/{made['id']}/cancel").json()["state"] == "succeeded"


def test_a_deadline_is_counted_from_now_by_postgres(client, shop):
    from datetime import UTC, datetime

    job = client.post("/v1/jobs", json={"prompt": "a red mug", "deadline_seconds": 60}).json()
    row = shop.job(job["id"])
    assert (row.deadline_at - datetime.fromisoformat(job["created_at"])).total_seconds() == 60
    assert row.deadline_at > datetime.now(UTC)


def test_an_image_that_is_not_ready_by_its_deadline_fails(client, database):
    job = client.post("/v1/jobs", json={"prompt": "a red mug", "deadline_seconds": 0.01}).json()

    def late():
        with database.session() as session:
            return rescue.expire_deadlines(session)

    poll(late)
    failed = client.get(f"/v1/jobs/{job['id']}").json()
    assert failed["state"] == "failed"
    assert failed["error"]["code"] == "deadline_exceeded"
    assert failed["error"]["retry_helps"] is True


def test_what_comes_from_store_is_logged_without_a_generation(client, worker):
    with capture_logs() as lines:
        first = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
        worker.make(first["id"])
        again = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    accepted = [line for line in lines if line["event"] == "accepted"]
    assert [line["job"] for line in accepted] == [first["id"], again["id"]]
    assert accepted[0]["generation"] == first["generation_id"]
    assert again["cache"] == "exact"
    assert "generation" not in accepted[1]


def test_a_prompt_that_is_too_long_is_accepted_with_a_warning_that_names_what_is_cut(client):
    prompt = "one two three four five six seven eight nine ten eleven twelve"
    job = client.post("/v1/jobs", json={"prompt": prompt}).json()
    assert job["state"] == "queued"
    assert "“eleven twelve”" in job["warning"]


def test_variants_of_a_seed_have_seeds_of_their_own(client):
    seeds = [
        client.post("/v1/jobs", json={"prompt": "a", "seed": 7, "variant": variant}).json()["seed"]
        for variant in (1, 2, 3)
    ]
    assert seeds == [7, 8, 9]


@pytest.mark.parametrize(
    ("request_", "column", "words"),
    [
        ({"prompt": " "}, "prompt", "empty"),
        ({}, "prompt", "required"),
        ({"prompt": "a", "width": 72}, "width", "The nearest is 64"),
        ({"prompt": "a", "height": 4096}, "height", "32 to 128"),
        ({"prompt": "a", "steps": 0}, "steps", "between 1 and 150"),
        ({"prompt": "a", "steps": "many"}, "steps", "integer"),
        ({"prompt": "a", "guidance_scale": 31}, "guidance_scale", "between 0 and 30"),
        ({"prompt": "a", "scheduler": "lcm", "steps": 51}, "steps", "lcm takes 1 to 50 steps"),
        ({"prompt": "a", "scheduler": "eular"}, "scheduler", "Did you mean 'euler'?"),
        ({"prompt": "a", "variant": 17}, "variant", "between 1 and 16"),
        ({"prompt": "a", "seed": -1}, "seed", "between 0"),
        ({"prompt": "a", "seed": 2**63}, "seed", "between 0"),
        ({"prompt": "a\u0000b"}, "prompt", "NUL"),
        ({"prompt": "a", "sku": "a\nb"}, "sku", "control character"),
        ({"prompt": "a", "wdith": 64}, "wdith", "no such field. Did you mean 'width'?"),
        ({"prompt": "a", "lane": "fast"}, "lane", "interactive"),
        ({"prompt": "a", "deadline_seconds": 0}, "deadline_seconds", "greater than 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_the_reason(
    client, shop, request_, column, words
):
    answer = client.post("/v1/jobs", json=request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["column"] == column
    assert words in error["message"]
    assert shop.generations() == []


def test_a_bundle_offers_the_schedulers_that_work_with_it(client, bundle):
    manifest = load_manifest(bundle)
    tried = {
        "ddim": SchedulerSupport(),
        "unipc": SchedulerSupport(most_steps=31),
        "pndm": SchedulerSupport(least_steps=4),
        "dpmpp_2m": SchedulerSupport(reason="ValueError: no such algorithm"),
    }
    save_manifest(manifest.model_copy(update={"schedulers": tried}), bundle)

    def refusal(**values):
        answer = client.post("/v1/jobs", json={"prompt": "a mug"} | values)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        return error["column"], error["message"]

    column, message = refusal(scheduler="dpmpp_2m")
    assert column == "scheduler"
    assert "no such algorithm" in message
    assert message.endswith("Choose ddim, unipc, pndm.")
    assert refusal(scheduler="unipc", steps=32) == (
        "steps",
        "The scheduler unipc takes 1 to 31 steps with this model, and 32 were asked for. Ask for "
        "fewer steps, or another scheduler: ddim, pndm.",
    )
    assert "Ask for more steps" in refusal(scheduler="pndm", steps=3)[1]
    assert client.post("/v1/jobs", json={"prompt": "a mug", "scheduler": "unipc"}).is_success


def test_a_bundle_of_before_offers_what_its_configuration_allows(client, bundle):
    request = {"prompt": "a mug", "scheduler": "lcm", "steps": 60}
    assert client.post("/v1/jobs", json=request).status_code == 422
    (bundle / "scheduler").mkdir()
    config = {"original_inference_steps": 100, "num_train_timesteps": 1000}
    (bundle / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    save_manifest(load_manifest(bundle), bundle)
    assert client.post("/v1/jobs", json=request).status_code == 202
    assert client.post("/v1/jobs", json=request | {"steps": 101}).status_code == 422


def test_every_bad_value_is_named_at_once(client):
    answer = client.post("/v1/jobs", json={"prompt": "", "steps": 0, "width": 1})
    assert {error["column"] for error in answer.json()["errors"]} == {"prompt", "steps", "width"}


def test_half_a_surrogate_pair_is_refused_and_not_a_mistake_of_ours(client):
    body = b'{"prompt": "a \\ud800 mug"}'
    answer = client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
