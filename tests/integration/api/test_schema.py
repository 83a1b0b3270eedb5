"""The API is what its own description says: any request, with a valid key.

schemathesis makes requests from the OpenAPI document, good and bad ones. None may end in a 5xx,
and every answer must be one that the document names, in the form that it has there.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = 5
"""Of each operation, good and bad each."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def try_it(client):
    """Make requests of an operation; give what is wrong with their answers."""
    headers = {"Authorization": client.headers["Authorization"]}

    def try_it(operation, mode, known: dict[str, str], seen: Counter) -> Iterator[str]:
        wrong: dict[str, str] = {}

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
            if mode is GenerationMode.POSITIVE and case.path_parameters:
                # What is there, not only what might be.
                case.path_parameters = {
                    name: known.get(name, value) for name, value in case.path_parameters.items()
                }
            answer = case.call(base_url=str(client.base_url), headers=headers)
            seen[answer.status_code // 100] += 1
            try:
                case.validate_response(answer, checks=CHECKS, headers=headers)
            except FailureGroup as group:
                for failure in group.exceptions:
                    wrong[failure.title] = f"{operation.label}: {failure}"

        # There is nothing bad about a request that takes nothing.
        with suppress(Unsatisfiable if mode is GenerationMode.NEGATIVE else ()):
            examples()
        return iter(wrong.values())

    return try_it


def test_every_answer_is_as_described(client, things, try_it):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    wrong: list[str] = []
    good: list[str] = []
    for result in schema.get_all_operations():
        operation, seen = result.ok(), Counter()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            wrong += try_it(operation, mode, things, seen)
        good += [operation.label] * (seen[2] > 0)
    assert not wrong, "\n\n".join(wrong)
    assert len(good) > 20, "most of what is asked for is there"
