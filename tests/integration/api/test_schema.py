"""The API is what its own description says: any request, with a valid key.

schemathesis makes requests from the OpenAPI document, good and bad ones. None may end in a 5xx,
and every answer must be one that the document names, in the form that it has there.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.pictures import png, product

EXAMPLES = 25
"""Of each operation, good and bad each."""

TIMEOUT_SECONDS = 120.0
"""For an answer. Some may be waited for (`wait`), and the machine of the tests may have much to do:
this test is of what is answered, not of how soon."""

GOOD = {
    "file": b"sku,prompt\nA,a red mug\n",
    "rows": [{"sku": "A", "prompt": "a red mug"}],
    "prompt": "a green mug",
    "model": "default",
    "fields": {"steps": 4},
}
"""What bodies need, as it can be made into images: no description of types says that."""

PHOTOGRAPH = png(product())
"""What the bodies of POST /v1/sources and /v1/detect need, which no description of types says."""

SUCCEED = {
    "POST /v1/batches multipart/form-data", "POST /v1/batches application/json", "POST /v1/jobs",
    "POST /v1/bulk-jobs", "GET /v1/jobs", "GET /v1/batches/{batch_id}/events",
    "POST /v1/recipes", "POST /v1/sources multipart/form-data",
    "POST /v1/sources application/octet-stream", "GET /v1/sources", "GET /v1/sources/{source_id}",
    "POST /v1/detect multipart/form-data", "POST /v1/detect application/octet-stream",
    "GET /v1/sources/{source_id}/content", "DELETE /v1/sources/{source_id}",
    "GET /v1/batches", "GET /v1/batches/{batch_id}", "GET /v1/batches/{batch_id}/items",
    "GET /v1/batches/{batch_id}/results.csv", "GET /v1/batches/{batch_id}/results.xlsx",
    "GET /v1/batches/{batch_id}/skipped.csv",
    "GET /v1/batches/{batch_id}/manifest.jsonl",
    "GET /v1/batches/{batch_id}/images.zip", "GET /v1/jobs/{job_id}", "GET /v1/jobs/{job_id}/image",
    "GET /v1/jobs/{job_id}/renditions", "GET /v1/recipes", "GET /v1/recipes/{name}",
    "GET /v1/recipes/{name}/versions", "GET /v1/recipes/{name}/versions/{version}",
    "DELETE /v1/batches/{batch_id}",
}  # fmt: skip
"""What must be among the requests that are answered with 2xx: a check of refusals alone is none."""

REJECTED = "Schema-valid request rejected"
ACCEPTED = "Schema-violating request accepted"
EXPLAINED = {
    REJECTED: {
        "only this server made its cursors": "The cursor is not valid",
        "the model that is loaded decides": "cannot be made by th(e|is) model|is not between"
        "|scheduler",
        "a rule between several fields": "The recipe is empty|Name what to purge|`per_sku`"
        "|name `jobs`, or `waiting`|`since` must be|`until` is before",
        "the store decides which credentials there are": "The credentials of a",
        "what letters are": "It is no word|It contains the control character",
        "the mode decides which fields there are": "Only images of photographs|Images of the mode"
        "|The row has no photograph",
        "colours have many forms": "is no background",
        "what Python and Jinja2 read": "separator|is not an encoding|template|file_name|columns",
        "the image of this test holds no pixels": "invalid_image",
        "what is no photograph is told by its bytes": "photograph_",
        "a name is resolved, and judged": "forbidden_url|callback_url|url:",
    },
    ACCEPTED: {
        "this test sends the key itself": "Authorization",
        "numbers and truths are read from texts, as forms send them; a client leaves null out of "
        "a query": "violates `(type|anyOf)`",
    },
}
"""Why an answer is right that schemathesis, which knows only the description, takes for wrong."""


@pytest.fixture
def try_it(client):
    """Make requests of an operation; give what is wrong with their answers."""
    headers = {"Authorization": client.headers["Authorization"]}

    def try_it(operation, mode, known: dict[str, str], seen: Counter) -> Iterator[str]:
        wrong: dict[str, str] = {}
        tried: Counter[str] = Counter()
        # Good requests get what the description cannot say, and so are none of its own any more.
        excluded = [negative_data_rejection] if mode is GenerationMode.POSITIVE else []

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def examples(case) -> None:
            sent = f"{operation.label} {case.media_type}"
            if mode is GenerationMode.POSITIVE:
                _fill_in(case, known, first=not tried[sent])
                tried[sent] += 1
            answer = case.call(
                base_url=str(client.base_url), headers=headers, timeout=TIMEOUT_SECONDS
            )
            if answer.status_code < 300:
                seen.update((operation.label, sent))
            try:
                case.validate_response(answer, headers=headers, excluded_checks=excluded)
            except FailureGroup as group:
                for failure in group.exceptions:
                    if not _is_explained(failure, answer.text):
                        wrong[failure.title] = f"{operation.label}: {failure}\n{answer.text}"

        # There is nothing bad about a request that takes nothing.
        with suppress(Unsatisfiable if mode is GenerationMode.NEGATIVE else ()):
            examples()
        return iter(wrong.values())

    return try_it


def _is_explained(failure, answer: str) -> bool:
    patterns = EXPLAINED.get(failure.title, {}).values()
    said = (
        [answer]
        if failure.title == REJECTED
        else re.findall("^(?: +- |Invalid component: )(.*)", str(failure), re.M)
    )
    return bool(said) and all(any(re.search(one, text) for one in patterns) for text in said)


def _fill_in(case, known: dict[str, str], *, first: bool) -> None:
    """Let a good request name what is there, and ask for what can be made; the first, only that."""
    case.path_parameters = {
        name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
    }
    if "Idempotency-Key" in (case.headers or {}):
        # Another request under a key that was used is refused.
        case.headers["Idempotency-Key"] = str(uuid4())
    if case.path in ("/v1/sources", "/v1/detect"):
        if first and case.method.upper() == "POST":
            is_form = case.media_type == "multipart/form-data"
            case.body = {"file": PHOTOGRAPH} if is_form else PHOTOGRAPH
    elif isinstance(case.body, dict):
        good = {name: value for name, value in GOOD.items() if name in case.body}
        if case.path == "/v1/jobs":
            named = {"source", "mask"} & set(case.body)
            good |= dict.fromkeys(named, known["source_id"])
        if case.path == "/v1/bulk-jobs":
            good = {"requests": [{"prompt": GOOD["prompt"]}]}
        case.body = good if good and first else case.body | good


def test_every_answer_is_as_described(client, things, try_it):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    # What deletes the things comes last: the others need them.
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.method.upper() == "DELETE"):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            wrong += try_it(operation, mode, things, seen)
    assert not wrong, "\n\n".join(wrong)
    assert not SUCCEED - set(seen), f"never succeeded; those that did: {sorted(seen)}"
