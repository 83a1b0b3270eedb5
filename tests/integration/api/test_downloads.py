"""Files over HTTP: HEAD, parts, and what the client has already."""

import pytest

from tests.integration.api.conftest import PIXELS

FILES = [
    "/v1/jobs/{job_id}/image",
    "/v1/sources/{source_id}/content",
    "/v1/sources",
    "/v1/batches/{batch_id}/results.csv",
    "/v1/batches/{batch_id}/results.xlsx",
    "/v1/batches/{batch_id}/manifest.jsonl",
    "/v1/batches/{batch_id}/images.zip",
    "/v1/batches/{batch_id}",
    "/openapi.json",
    "/docs",
    "/healthz",
]


@pytest.fixture
def image(client, things) -> str:
    return f"/v1/jobs/{things['job_id']}/image"


@pytest.mark.parametrize("path", FILES)
def test_head_answers_as_get_without_the_body(client, things, path):
    path = path.format(**things)
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    varying = {"date", "x-request-id", "transfer-encoding", "ratelimit"}
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in get.headers.items() if name not in varying
    }


def test_head_of_nothing_is_404(client):
    missing = "/v1/jobs/00000000-0000-0000-0000-000000000000/image"
    for path in (missing, "/v1/nothing"):
        head = client.head(path)
        assert (head.status_code, head.content) == (404, b"")


def test_head_says_that_the_client_has_it(client, image):
    tag = client.head(image).headers["etag"]
    assert client.head(image, headers={"If-None-Match": tag}).status_code == 304
    assert client.head(image, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_part_of_an_image_is_sent(client, image):
    part = client.get(image, headers={"Range": "bytes=4-9"})
    assert part.status_code == 206
    assert part.content == PIXELS[4:10]
    assert part.headers["content-range"] == f"bytes 4-9/{len(PIXELS)}"
    whole = client.get(image)
    assert whole.headers["accept-ranges"] == "bytes"
    assert part.headers["etag"] == whole.headers["etag"]
    assert client.get(image, headers={"Range": "bytes=-5"}).content == PIXELS[-5:]
    # Only GET has parts.
    assert client.head(image, headers={"Range": "bytes=0-1"}).status_code == 200
    again = {"Range": "bytes=0-1", "If-Range": whole.headers["etag"]}
    assert client.get(image, headers=again).content == PIXELS[:2]
    assert client.get(image, headers=again | {"If-Range": '"other"'}).content == PIXELS
    had = again | {"If-None-Match": whole.headers["etag"]}
    assert client.get(image, headers=had).status_code == 304


def test_a_part_behind_the_end_is_a_problem(client, image):
    answer = client.get(image, headers={"Range": "bytes=1000000-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(PIXELS)}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "range_not_satisfiable"


def test_a_large_image_has_parts_too(serve, settings, worker):
    client = serve(settings.model_copy(update={"result_memory_bytes": 0}))
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    pixels = PIXELS * 5000
    worker.make(job["id"], pixels)
    part = client.get(f"/v1/jobs/{job['id']}/image", headers={"Range": "bytes=100000-200000"})
    assert (part.status_code, part.content) == (206, pixels[100000:200001])


def test_a_method_that_is_not_there_is_told_the_others(client, things):
    for path, allowed in (
        ("/v1/batches", "GET, HEAD, POST"),
        ("/v1/jobs", "GET, HEAD, POST"),
        ("/v1/jobs/{job_id}/image", "DELETE, GET, HEAD"),
        ("/v1/webhook-endpoints/{endpoint_id}", "DELETE, GET, HEAD, PATCH"),
        ("/openapi.json", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ):
        for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND"):
            answer = client.request(method, path.format(**things))
            assert answer.status_code == 405
            assert answer.headers["allow"] == allowed
            assert answer.json()["code"] == "method_not_allowed"
