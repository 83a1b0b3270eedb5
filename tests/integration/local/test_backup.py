"""Backups: a point in time of Postgres and S3, restored elsewhere, and made to agree."""

import hashlib
import json
from itertools import count

import pytest
from alembic import command
from sqlalchemy import text
from typer.testing import CliRunner

from cli.main import app
from core.broker import Broker
from core.db.engine import Database
from core.db.models import Image, Job
from core.domain.states import JobState
from core.lifecycle import completion
from core.storage import Storage
from local.backup import BackupError, back_up, points, restore
from migrations import configuration
from tests.integration.shop import Shop, finished, image_of

pytestmark = pytest.mark.own_database
ELSEWHERE = (f"elsewhere{number}" for number in count())


@pytest.fixture(autouse=True)
def _empty_bucket(storage):
    """Delete what other tests left: a backup copies all of the bucket."""
    storage.delete([key for key, _ in storage.listed("")])


@pytest.fixture
def make(shop, storage):
    """Make an image of a prompt, and store it."""

    def make(prompt: str) -> Image:
        (job,) = shop.want(prompt).job_ids
        claim = shop.start(job)
        stored = storage.put_image(
            prompt.encode(), tenant=claim.tenant, fingerprint=claim.fingerprint, extension="png",
            content_type="image/png", generation_id=claim.generation_id,
        )  # fmt: skip
        image = image_of(claim)
        image.key, image.digest, image.size = stored.key, stored.digest, stored.size
        with shop.database.session() as session:
            assert completion.succeed(session, [finished(claim, image)])
        return image

    return make


@pytest.fixture
def elsewhere(services, settings):
    """An empty database and an empty bucket."""
    name = next(ELSEWHERE)
    services.postgres.ensure_database(name)
    services.s3.ensure_bucket(name)
    return type(settings).model_validate(
        settings.model_dump() | {"database_url": services.postgres.url(name), "s3_bucket": name}
    )


def contents(settings) -> tuple[dict[str, str], int]:
    """Give what a shop with these settings has: digests of what its images' keys hold, and jobs."""
    database, storage = Database(settings), Storage(settings)
    try:
        shop = Shop(database)
        held = {}
        for image in shop.all(Image):
            body = storage.find(image.key)
            held[image.digest] = hashlib.sha256(body).hexdigest() if body else ""
        return held, len(shop.all(Job))
    finally:
        database.close()
        storage.close()


def test_a_point_is_restored_elsewhere_and_work_goes_on(
    settings, elsewhere, shop, make, broker, tmp_path
):
    kept = [make(prompt) for prompt in ("a red mug", "a blue mug")]
    shop.want("a mug that waits")
    record = back_up(settings, tmp_path)
    assert (record["jobs"], record["copied"]) == (3, 2)
    make("a later mug")
    broker.mark()
    (point,) = points(tmp_path)
    assert restore(elsewhere, point) == {"objects": 2, "missing": 0}
    assert contents(elsewhere) == ({one.digest: one.digest for one in kept}, 3)
    # Housekeeping sees that Redis knows nothing of what waits, and sends it.
    assert not Broker(elsewhere).remembers()


def test_a_second_point_copies_what_is_new_and_old_points_go_with_what_only_they_name(
    settings, elsewhere, make, storage, tmp_path
):
    first = make("a red mug")
    assert back_up(settings, tmp_path)["copied"] == 1
    second = make("a blue mug")
    storage.delete([first.key])
    assert back_up(settings, tmp_path)["copied"] == 1
    older, _ = points(tmp_path)
    assert restore(elsewhere, older)["missing"] == 0
    assert contents(elsewhere)[0] == {first.digest: first.digest}
    assert back_up(settings, tmp_path, keep=1)["copied"] == 0
    assert len(points(tmp_path)) == 1
    files = [file.name for file in (tmp_path / "objects").rglob("*") if file.is_file()]
    assert files == [second.key.rpartition("/")[2]]


def test_an_image_whose_object_was_lost_fails_its_jobs_and_can_be_made_again(
    settings, elsewhere, make, storage, tmp_path
):
    image = make("a red mug")
    storage.delete([image.key])
    back_up(settings, tmp_path)
    assert restore(elsewhere, points(tmp_path)[0])["missing"] == 1
    database = Database(elsewhere)
    (job,) = Shop(database).all(Job)
    database.close()
    assert (job.state, job.error_code) == (JobState.FAILED, "image_lost")


def test_what_is_there_is_not_taken_away_unasked(settings, shop, make, tmp_path):
    make("a red mug")
    back_up(settings, tmp_path)
    make("a later mug")
    (point,) = points(tmp_path)
    with pytest.raises(BackupError, match=r"has rows in job.* --replace"):
        restore(settings, point)
    assert contents(settings)[1] == 2
    shop.database.engine.dispose()
    restore(settings, point, replace=True)
    assert contents(settings)[1] == 1


def test_a_damaged_dump_changes_nothing(settings, make, tmp_path):
    make("a red mug")
    back_up(settings, tmp_path)
    (point,) = points(tmp_path)
    dump = point / "postgres.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    with pytest.raises(BackupError, match="pg_restore failed"):
        restore(settings, point, replace=True)
    assert contents(settings)[1] == 1


def test_points_of_other_versions(settings, elsewhere, make, tmp_path):
    make("a red mug")
    back_up(settings, tmp_path / "same")
    (point,) = points(tmp_path / "same")
    record = json.loads((point / "point.json").read_text())
    (point / "point.json").write_text(json.dumps(record | {"schema": "9999", "version": "99.0"}))
    with pytest.raises(BackupError, match=r"made by packshot 99\.0"):
        restore(elsewhere, point)
    # An older one's tables are brought to this version's.
    command.downgrade(configuration(settings.database_url), "-1")
    older = back_up(settings, tmp_path / "older")
    assert older["schema"] != record["schema"]
    restore(elsewhere, points(tmp_path / "older")[0])
    database = Database(elsewhere)
    with database.session() as session:
        there = session.execute(text("select version_num from alembic_version")).scalar_one()
    database.close()
    assert there == record["schema"]
    command.upgrade(configuration(settings.database_url), "head")


def test_the_commands(settings, environment, make, database, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    make("a red mug")
    run = CliRunner().invoke
    nothing = run(app, ["restore", str(tmp_path)])
    assert "has no point of a backup" in str(nothing.exception)
    made = run(app, ["backup", str(tmp_path / "here")])
    record = json.loads(made.stdout)
    wrong = run(app, ["restore", str(tmp_path / "here"), "--point", "yesterday"])
    assert record["name"] in str(wrong.exception)
    database.engine.dispose()
    done = run(app, ["restore", str(tmp_path / "here"), "--replace"])
    assert done.exit_code == 0, done.exception
    assert contents(settings)[1] == 1
