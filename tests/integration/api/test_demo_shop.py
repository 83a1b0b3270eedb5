"""The demo's shop, the whole way: photographs sent, cut out, made for Amazon, and drawn."""

import csv

import pytest
from PIL import Image

from cli import shop as demo
from cli.client.http import Client
from core.domain.states import GenerationState
from tests.integration.worker.test_cutouts import NoEngine
from tests.support.served import ServedModels
from worker.leases import Leases
from worker.main import cutout_pool
from worker.runner import Runner
from worker.watchdog import Watchdog


@pytest.fixture
def work(database, storage, settings, shop):
    """Make what waits, as a worker beside the API does."""
    pool = cutout_pool(settings, database, storage, Watchdog(limit_seconds=600))
    engine = NoEngine()
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels(),
        leases=Leases(
            database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=1
        ),
        max_attempts=3,
        cutouts=pool,
    )

    def work() -> None:
        for row in shop.generations():
            if row.state is GenerationState.QUEUED:
                runner.run(row.id)

    yield work
    pool.close()


def test_each_product_of_the_shop_stands_beside_its_photograph(
    client, work, tmp_path, monkeypatch, capsys
):
    lines = demo.SHEET.read_text(encoding="utf-8").splitlines(keepends=True)
    few = tmp_path / "shop.csv"
    few.write_text("".join(lines[:3]), encoding="utf-8")
    monkeypatch.setattr(demo, "SHEET", few)
    key = client.headers["Authorization"].removeprefix("Bearer ")
    out = tmp_path / "out"
    with Client(str(client.base_url), key) as caller:
        made = demo.make_shop(caller, out, pause=work)
    assert not made.missing
    assert {one.name for one in out.iterdir()} == {
        *("KIT_01.MAIN.jpg", "KIT_02.MAIN.jpg"),
        *("results.csv", "contact-sheet.png", "before-after.png"),
    }
    with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["identical"] for row in rows] == ["true", "true"]
    for row in rows:
        with Image.open(out / row["image"]) as image:
            assert min(image.size) >= demo.SIDE
            assert image.getpixel((0, 0)) == (255, 255, 255)
    assert str(out / "before-after.png") in capsys.readouterr().out.replace("\n", "")
