"""How quickly images are made, taken from those that were made last."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.db.models import Generation
from core.domain.image_spec import ModelInput
from core.lifecycle import forecast
from core.lifecycle.forecast import recent_speed, work
from tests.integration.shop import wanted


def made_at(shop, times: Sequence[tuple[float, float]]) -> None:
    """Have images been made that began and ended at these seconds."""
    jobs = shop.want(*[f"mug {n}" for n in range(len(times))]).job_ids
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for job_id, (start, end) in zip(jobs, times, strict=True):
        claim = shop.start(job_id)
        shop.succeed(claim)
        with shop.database.session() as session:
            row = session.get_one(Generation, claim.generation_id)
            row.started_at = began + timedelta(seconds=start)
            row.finished_at = began + timedelta(seconds=end)


@pytest.mark.parametrize("at_once", [1, 8, 40])
def test_the_speed_does_not_depend_on_how_many_images_are_in_work_at_once(
    shop, monkeypatch, at_once
):
    monkeypatch.setattr(forecast, "RECENT", 20)
    # One a second, however long each is in a worker.
    made_at(shop, [(end - at_once, end) for end in range(50, 80)])
    with shop.database.session() as session:
        speed = recent_speed(session, shop.model)
    assert speed is not None
    assert speed.images == 20
    assert speed.work_per_second == pytest.approx(work(wanted("mug").spec, ModelInput()))


def test_a_model_that_takes_the_guidance_as_an_input_runs_one_row_a_step():
    spec = wanted("mug", guidance_scale=5.0).spec
    assert work(spec, ModelInput()) == 2 * work(spec, ModelInput(embeds_guidance=True))


def test_a_pause_before_the_images_that_are_looked_at_does_not_count(shop, monkeypatch):
    monkeypatch.setattr(forecast, "RECENT", 12)
    made_at(shop, [(0, 4), *((1000 + 2 * n, 1002 + 2 * n) for n in range(12))])
    with shop.database.session() as session:
        speed = recent_speed(session, shop.model)
    assert speed is not None
    assert speed.work_per_second == pytest.approx(work(wanted("mug").spec, ModelInput()) / 2)
