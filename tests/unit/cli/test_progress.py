"""What a batch says of its progress."""

import pytest

from cli.client.records import BatchRecord
from cli.console import stderr
from cli.progress import BatchProgress

SHEET = {"id": "b", "total": 3, "counts": {"queued": 3}}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stderr, "width", 400)


def said(body: dict[str, object], capsys: pytest.CaptureFixture[str]) -> str:
    with BatchProgress(BatchRecord.parse(SHEET)) as progress:
        progress._said -= 60
        progress.update(BatchRecord.parse(SHEET | body))
    return capsys.readouterr().err


def test_images_of_a_model_that_nobody_serves_are_told_with_the_way_out(capsys):
    line = said({"waiting_for_model": 2}, capsys)
    assert "0 of 3 images, 2 wait for a model that no worker serves" in line
    assert "packshot model requeue" in line


def test_images_that_wait_for_a_free_worker_are_not_called_so(capsys):
    assert "model" not in said({"waiting_for_model": 0}, capsys)
