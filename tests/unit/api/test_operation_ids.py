"""Generated clients call their functions as the description calls its operations."""

import re

import pytest

from api.app import create_app
from core.settings import Settings

VERBS = {
    "add", "cancel", "create", "delete", "detect", "get", "list", "plan", "purge", "redo",
    "replace", "replay", "retry", "revoke", "rotate", "send", "start", "submit", "undo", "update",
    "write",
}  # fmt: skip


@pytest.fixture(scope="module")
def operations():
    """Return every operation's id, by its method and path."""
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    return {
        (method, path): operation["operationId"]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_they_are_a_verb_and_a_noun_and_no_two_the_same(operations):
    for where, name in operations.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name), where
        assert name.partition("_")[0] in VERBS, where
        assert not re.search(r"_(get|post|patch|delete)$|_v\d", name), where
    assert len(set(operations.values())) == len(operations)


def test_what_reads_one_thing_gets_it_and_what_reads_several_lists_them(operations):
    for (method, path), name in operations.items():
        if method == "get" and path.endswith("}"):
            assert name.startswith("get_"), path
    assert operations["post", "/v1/batches"] == "submit_batch"
    assert operations["get", "/v1/batches/{batch_id}/items"] == "list_batch_items"
