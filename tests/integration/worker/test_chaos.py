"""Everything is killed, some of it several times, and a shop notices nothing; within a minute.

The long form is `python -m benchmarks.chaos`.
"""

import json
from collections import Counter
from dataclasses import fields

from sqlalchemy import text

from benchmarks.chaos import STEPS, free_rows, make_sheets
from benchmarks.chaos_audit import audit
from benchmarks.chaos_plan import Terms
from benchmarks.chaos_told import Told
from benchmarks.chaos_trial import SERVERS, SETTINGS, free_worker, run
from core.db.models import Image
from ops.webhooks.deliverer import LEASE_MARGIN

ROWS, SHEETS = 60, 6
SERVICES = ("worker", "api", "sheets", "housekeeping", "webhooks")
TERMS = Terms(seconds=16, every=8, outage=2, absence=1, seed=5)
PATIENCE = 300
"""Until it gives up: machines that run tests are slow at times."""
PACE = {
    "PACKSHOT_LEASE_SECONDS": "4",
    "PACKSHOT_HEARTBEAT_SECONDS": "0.5",
    "PACKSHOT_VISIBILITY_TIMEOUT": "4",
    "PACKSHOT_SWEEP_SECONDS": "0.5",
    "PACKSHOT_REPUBLISH_SECONDS": "1",
}


def hasten(database):
    """Let the claims of killed deliverers, and the waits after refusals, be over now.

    Not those of messages that may be on their way.
    """
    with database.session() as session:
        session.execute(
            text(
                "update webhook_delivery set not_before = created_at"
                " where state = 'pending' and attempts > 0 and not_before not between"
                " now() + make_interval(secs => :margin)"
                " and now() + make_interval(secs => :margin + :timeout)"
            ),
            {"margin": LEASE_MARGIN, "timeout": float(SETTINGS["PACKSHOT_WEBHOOK_TIMEOUT"])},
        )


def test_whatever_is_killed_nothing_is_lost_and_nothing_happens_twice(bundle, tmp_path_factory):
    said = []
    found = run(
        tmp_path_factory.mktemp("chaos"),
        bundle,
        make_sheets(free_rows(ROWS), SHEETS),
        TERMS,
        worker=free_worker(ROWS, STEPS, TERMS.seconds, workers=1),
        workers=1,
        settings=PACE,
        patience=PATIENCE,
        meanwhile=hasten,
        say=said.append,
    )

    history = "\n".join(said)
    struck = Counter(blow.target for _, blow in found.struck)
    assert struck == dict.fromkeys((*SERVICES, *SERVERS), 2), history
    for kind in fields(found.faults):
        assert not getattr(found.faults, kind.name), f"{kind.name}\n{history}"
    rows = ROWS + SHEETS - 1  # each sheet but the first repeats one
    assert found.events >= rows + SHEETS, "each row's end and each sheet's"


def test_the_audit_finds_every_kind_of_fault(shop, storage, wanted):
    """Else the test above could not fail."""
    made, _ = shop.want(wanted("mug", sku="made"), wanted("cup", sku="lost"), batch=True).job_ids
    shop.succeed(shop.start(made))
    (image,) = shop.images()
    with shop.database.session() as session:
        session.add(Image(**image.model_dump(exclude={"id", "token"})))
    message = {"type": "batch.progress", "data": {"batch_id": "b", "sequence": 3}}
    other = json.dumps(message | {"timestamp": "later"}).encode()
    told = Told(
        bodies={"msg_1": {json.dumps(message).encode()}, "msg_2": {other, other + b" "}},
        messages=3,
        forged=["msg_3"],
    )

    faults = audit(shop.database, storage, told, {"": ["made", "lost"]})

    assert faults.rows_lost == ["/lost", ""], "and its sheet is not complete"
    assert faults.finished_twice == [str(image.generation_id)]
    assert faults.images_missing == [image.key, image.key], "none was stored"
    assert len(faults.webhooks_undelivered) == 2 + 1 + 1, "two ends, the batch's, the forged one"
    assert faults.webhooks_unstable == ["place 3 b", "msg_2"]
