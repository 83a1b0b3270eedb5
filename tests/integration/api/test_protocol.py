"""HTTP itself: problems, ids, limits, the description."""

import hashlib
import importlib
import json
import re
import tomllib
import uuid
from base64 import b64encode
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/v1/images/generations", 404, "not_found"),
        ("GET", "/v1/jobs/not-an-id", 422, "invalid_request"),
        ("DELETE", "/v1/jobs", 405, "method_not_allowed"),
        ("GET", "/v1/batches?limit=0", 422, "invalid_request"),
        ("GET", f"/v1/jobs/{uuid.UUID(int=0)}", 404, "not_found"),
    ],
)
def test_every_error_is_a_problem_document(client, method, path, status, code):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:packshot:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["retry_helps"] is False
    assert problem["instance"] == path.partition("?")[0]
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_a_mistake_of_ours_is_a_problem_without_its_details(client, monkeypatch):
    from api.routes import batches

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(batches, "list_batches", fail)
    answer = client.get("/v1/batches")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text


def test_every_route_refuses_parameters_that_it_does_not_know(client, things):
    paths = client.get("/openapi.json").json()["paths"]
    named = [(method, path) for path, methods in paths.items() for method in methods]
    named += [("get", "/docs"), ("get", "/openapi.json"), ("head", "/v1/batches")]
    for method, path in named:
        if path.startswith("/files/"):
            continue
        answer = client.request(method, path.format(**things), params={"limt": "5", "x": ""})
        assert answer.status_code == 422, (method, path)
        if method != "head":
            assert [one["column"] for one in answer.json()["errors"]] == ["limt", "x"]
    detail = client.get("/v1/batches?limt=5").json()["detail"]
    assert detail == (
        "There is no query parameter 'limt'; there are cursor, limit. Did you mean 'limit'?"
    )
    # Without a key nothing is said of the request.
    client.headers.pop("Authorization")
    assert client.get("/v1/batches?limt=5").status_code == 401


def test_a_field_that_is_not_known_is_named_with_the_nearest(client):
    detail = "The request is not valid: stepps: There is no such field. Did you mean 'steps'?"
    batch = {"rows": [{"sku": "A", "prompt": "a red mug"}], "stepps": 4}
    form = {"files": {"file": ("a.csv", "sku,prompt\nA,a red mug\n")}, "data": {"stepps": "4"}}
    for path, sent in (
        ("/v1/jobs", {"json": {"prompt": "a red mug", "stepps": 4}}),
        ("/v1/batches", {"json": batch}),
        ("/v1/batches", form),
    ):
        answer = client.post(path, **sent)
        assert (answer.status_code, answer.json()["detail"]) == (422, detail)
        assert [one["column"] for one in answer.json()["errors"]] == ["stepps"]


def test_an_empty_callback_address_is_refused_but_left_out_where_a_form_has_it_empty(client):
    for path, sent in (
        ("/v1/jobs", {"prompt": "a red mug", "callback_url": ""}),
        ("/v1/batches", {"rows": [{"sku": "A", "prompt": "a mug"}], "callback_url": ""}),
        ("/v1/recipes", {"name": "summer", "fields": {"callback_url": ""}}),
        ("/v1/webhook-endpoints", {"url": ""}),
    ):
        answer = client.post(path, json=sent)
        assert answer.status_code == 422, path
        assert "It is empty. Give an address" in answer.json()["detail"]
    form = {"file": ("a.csv", "sku,prompt\nA,a red mug\n")}
    answer = client.post("/v1/batches", files=form, data={"callback_url": "", "steps": ""})
    assert answer.status_code == 202


@pytest.mark.parametrize("seed", [2**53 - 1, 2**53 + 1, 2**63 - 1])
def test_any_seed_comes_back_as_text(client, seed):
    """JavaScript has no whole numbers above 2**53: it would ask for another image."""
    asked = {"prompt": "a red mug", "seed": str(seed)}
    job = client.post("/v1/jobs", json=asked).json()
    assert (job["seed"], job["seed_text"]) == (seed, str(seed))
    again = client.post("/v1/jobs", json=asked | {"seed": job["seed_text"]}).json()
    assert again["seed"] == seed
    rows = {"rows": [{"sku": "A", "prompt": "a red mug", "seed": job["seed_text"]}]}
    report = client.post("/v1/batches", json=rows | {"dry_run": True}).json()
    assert report["preview"][0]["seed_text"] == str(seed)
    recipe = client.post("/v1/recipes", json={"name": "lucky", "fields": {"seed": str(seed)}})
    kept = recipe.json()["fields"]["seed"]
    assert kept == (seed if seed < 2**53 else str(seed))
    used = client.post("/v1/jobs", json={"prompt": "a red mug", "recipe": "lucky"}).json()
    assert used["seed"] == seed


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/recipes", "/v1/batches", "/v1/cache/purge"])
def test_a_body_that_is_no_json_is_refused_as_that(client, path, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post(path, content=b'{"prompt": "a red mug"}', headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"
    assert "application/json" in answer.json()["detail"]


def test_json_may_be_called_by_a_name_of_its_own(client):
    headers = {"Content-Type": "application/vnd.shop+json; charset=utf-8"}
    answer = client.post("/v1/jobs", content=b'{"prompt": "a red mug"}', headers=headers)
    assert answer.status_code == 202


def test_a_request_id_is_sent_back_or_made(client):
    sent = client.get("/healthz", headers={"X-Request-ID": "order-66"})
    assert sent.headers["x-request-id"] == "order-66"
    for bad in ("", "a b", "x" * 200):
        answer = client.get("/healthz", headers={"X-Request-ID": bad})
        assert uuid.UUID(answer.headers["x-request-id"])


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])
def test_a_body_that_is_too_large_is_refused_whether_its_length_is_announced(
    serve, settings, path, chunked
):
    client = serve(settings.model_copy(update={"max_upload_bytes": 1000}))
    body = b'{"prompt": "' + b"a" * 1000 + b'"}'
    answer = client.post(
        path,
        content=iter([body[:500], body[500:]]) if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"
    assert "1,000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/recipes", "/v1/cache/purge"])
def test_what_is_no_sheet_has_a_mebibyte(client, path, chunked):
    body = b'{"prompt": "' + b"a" * 2**20 + b'"}'
    answer = client.post(
        path,
        content=iter([body[: 2**19], body[2**19 :]]) if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"
    assert "POST /v1/batches" in answer.json()["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_rows_as_json_may_have_more(client, chunked):
    rows = [{"sku": f"mug-{number}", "prompt": "a mug" + " " * 2000} for number in range(600)]
    body = json.dumps({"rows": rows, "dry_run": True}).encode()
    assert len(body) > 2**20
    answer = client.post(
        "/v1/batches",
        content=iter([body[: 2**19], body[2**19 :]]) if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text


def test_the_longest_recipe_fits(client):
    # Outside the Basic Multilingual Plane: JSON escapes each with twelve bytes.
    wide = "\N{WRAPPED PRESENT}"
    columns = {f"field_{number}": wide * 500 for number in range(100)}
    fields = {"template": wide * 4000, "negative_prompt": wide * 4000, "columns": columns}
    body = json.dumps({"name": "gifts", "note": wide * 500, "fields": fields}).encode()
    assert 2**19 < len(body) < 2**20
    answer = client.post("/v1/recipes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text


def test_a_form_that_is_too_large_is_refused(serve, settings):
    client = serve(settings.model_copy(update={"max_upload_bytes": 1000}))
    answer = client.post("/v1/batches", files={"file": ("a.csv", b"x" * 2000)})
    assert answer.status_code == 413


def test_a_body_within_the_limit_is_taken(serve, settings):
    client = serve(settings.model_copy(update={"max_upload_bytes": 1000}))
    assert client.post("/v1/jobs", json={"prompt": "a" * 900}).status_code == 202


def test_the_description_names_the_key_the_problems_and_both_bodies_of_a_batch(client):
    client.headers.pop("Authorization")
    described = client.get("/openapi.json").json()
    assert client.get("/docs").status_code == 200
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if not path.startswith("/v1/"):
                continue
            assert operation["security"], (method, path)
            for status, response in operation["responses"].items():
                if status[0] in "45":
                    assert response == {"$ref": f"#/components/responses/Problem{status}"}
                    found = described["components"]["responses"][f"Problem{status}"]
                    assert list(found["content"]) == ["application/problem+json"]
    bodies = described["paths"]["/v1/batches"]["post"]["requestBody"]["content"]
    assert set(bodies) == {"multipart/form-data", "application/json"}
    assert "file" in bodies["multipart/form-data"]["schema"]["properties"]


def test_every_reference_in_the_description_leads_somewhere(client):
    described = client.get("/openapi.json").json()

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [one for part in value.values() for one in references(part)]
        if isinstance(value, list):
            return [one for part in value for one in references(part)]
        return []

    for reference in references(described):
        start, components, room, name = reference.split("/")
        assert (start, components) == ("#", "components")
        assert name in described["components"][room]


def test_the_description_is_valid_and_names_the_version(client):
    described = client.get("/openapi.json").json()
    validate(described, cls=OpenAPIV31SpecValidator)
    assert described["info"]["version"] == version_of_the_project()


def version_of_the_project() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    module, _, name = attribute.rpartition(".")
    return getattr(importlib.import_module(module), name)


FILES = (
    {
        ("/v1/batches/{batch_id}/manifest.jsonl", "200"): {"application/x-ndjson"},
        ("/v1/batches/{batch_id}/images.zip", "200"): {"application/zip"},
        ("/v1/batches/{batch_id}/results.xlsx", "200"): {
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        },
    }
    | {
        (path, status): {f"image/{one}" for one in ("png", "jpeg", "webp", "avif")}
        for path in (
            "/v1/jobs/{job_id}/image",
            "/v1/jobs/{job_id}/renditions/{channel}",
            "/files/{token}/{channel}/{file_name}",
        )
        for status in ("200", "206")
    }
    | {
        ("/v1/sources/{source_id}/content", status): {
            f"image/{one}" for one in ("png", "jpeg", "webp", "avif", "tiff", "bmp", "gif")
        }
        for status in ("200", "206")
    }
)


def test_every_file_is_described_as_bytes(client):
    found = {}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for status, response in methods.get("get", {}).get("responses", {}).items():
            files = {
                media_type
                for media_type, one in response.get("content", {}).items()
                if one["schema"] == {"type": "string", "format": "binary"}
            }
            assert files in (set(), set(response.get("content", {})))
            texts = {one for one in response.get("content", {}) if one.startswith("text/")}
            texts.discard("text/event-stream")  # each event is an object
            assert all(response["content"][one]["schema"] == {"type": "string"} for one in texts)
            if files:
                found[path, status] = files
    assert found == FILES


def test_the_page_needs_nothing_else(client):
    client.headers.pop("Authorization")
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    (style,) = re.findall("<style>(.*?)</style>", page.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert not re.search(r"<script|<link|<img|<iframe|\son\w+=|\sstyle=|https?://", page.text)
    described = client.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in page.text
    for link in re.findall('href="([^"]*)"', page.text):
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in page.text
        else:
            assert client.get(f"/{link}").status_code == 200
    assert client.get("/redoc").status_code == 404
