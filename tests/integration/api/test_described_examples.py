"""The examples in the description: their requests are taken, and their answers are of its form."""

import json

import pytest
from openapi_schema_validator import OAS31Validator

from api.description import EXAMPLES, JSON

LATER = {"write_alt_text"}
"""Requests about an image that is no picture in this test; their form is checked all the same."""
NAMED = {
    "plan_publish": {"batch_id": "batch_id", "target": "name"},
}
"""What requests name of the things that are there, by their fields."""


@pytest.fixture(scope="module")
def examples() -> dict:
    return json.loads(EXAMPLES.read_text())


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def without_required(schema):
    """Of a field that came later, an answer of before has nothing."""
    if isinstance(schema, dict):
        return {
            name: without_required(one)
            for name, one in schema.items()
            if name != "required" or not isinstance(one, list)
        }
    return [without_required(one) for one in schema] if isinstance(schema, list) else schema


def errors_in(document, schema, example) -> list[str]:
    resolved = {**schema, "components": document["components"]}
    return [error.message for error in OAS31Validator(resolved).iter_errors(example)]


def test_each_is_of_the_form_that_is_described(client, examples):
    document = client.get("/openapi.json").json()
    lenient = without_required(document)
    seen = set()
    for method, path, operation in operations(document):
        found = examples.get(operation["operationId"], {})
        seen.add(operation["operationId"])
        if "request" in found:
            content = operation["requestBody"]["content"][JSON]
            assert content["example"] == found["request"]
            assert errors_in(document, content["schema"], found["request"]) == [], path
        for status, answer in found.get("answer", {}).items():
            content = lenient["paths"][path][method]["responses"][status]["content"][JSON]
            assert errors_in(lenient, content["schema"], answer) == [], (path, status)
    assert not set(examples) - seen, "an operation has another name"


def test_each_route_has_one_of_each_json_that_it_takes_and_answers(client, examples):
    document = client.get("/openapi.json").json()
    missing = []
    for _, _, operation in operations(document):
        name = operation["operationId"]
        found = examples.get(name, {})
        if JSON in operation.get("requestBody", {}).get("content", {}) and "request" not in found:
            missing.append(f"{name}: request")
        answers = {
            status
            for status, answer in operation["responses"].items()
            if status.startswith("2") and JSON in answer.get("content", {})
        }
        missing += [f"{name}: {one}" for one in sorted(answers - found.get("answer", {}).keys())]
    assert missing == [], "record an answer of each in api/examples.json"


def test_requests_are_taken(client, things, examples):
    document = client.get("/openapi.json").json()
    taken = 0
    for method, path, operation in operations(document):
        name = operation["operationId"]
        if "request" in examples.get(name, {}) and name not in LATER:
            named = {field: things[one] for field, one in NAMED.get(name, {}).items()}
            body = examples[name]["request"] | named
            answer = client.request(method, path.format(**things), json=body)
            assert answer.is_success, (path, answer.text)
            taken += 1
    assert taken >= 10


def test_no_secret_is_among_them():
    text = EXAMPLES.read_text()
    for kind in ("psk_", "whsec_"):
        assert all(len(one.split('"')[0]) <= 6 for one in text.split(kind)[1:])
