"""Dry runs: the whole report, and nothing behind it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from bundles.plan import Plan, TunedPlan, save_plan, this_machine
from core.db.models import Batch, Generation, Job
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.states import CacheOutcome
from core.lifecycle.forecast import foresee

PLATFORMS = Path(__file__).parents[3] / "examples" / "platforms"


def dry_run(client, sheet, name="sheet.csv", **fields):
    answer = client.post(
        "/v1/batches", files={"file": (name, sheet)}, data={"dry_run": "true", **fields}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_sheet_is_checked_whole_and_nothing_is_kept_of_it(client, shop):
    sheet = "sku,prompt,steps,variants\nA,a red mug,,2\nB,a red mug,,\nA,a vase,9,\nC,,0,\n"
    report = dry_run(client, sheet)
    assert report["valid"] is False
    assert [(error["line"], error["column"]) for error in report["errors"]] == [
        (5, "steps"),
        (5, "prompt"),
    ]
    assert (report["rows"], report["images"], report["equal_images"]) == (4, 4, 1)
    assert report["repeated_skus"] == [{"sku": "A", "lines": [2, 4], "rows": 2}]
    assert report["forecast"] == {"from_store": 0, "shared": 1, "computed": 3}
    assert [(one["sku"], one["variant"], one["prompt"]) for one in report["preview"]] == [
        ("A", 1, "a red mug"),
        ("A", 2, "a red mug"),
        ("B", 1, "a red mug"),
        ("A", 1, "a vase"),
    ]
    for table in (Batch, Job, Generation):
        assert shop.all(table) == []


def test_rows_with_the_address_of_a_photograph_are_counted(client):
    url = "https://cdn.example.com/mug.jpg"
    report = dry_run(client, f"sku,prompt,image\nA,a mug,{url}\nB,a jug,mug.jpg\nC,a cup,\n")
    assert (report["rows"], report["photographs"]) == (3, 1)
    assert dry_run(client, "sku,prompt\nA,a mug\n")["photographs"] == 0


def test_what_a_dry_run_says_is_what_becomes_of_the_sheet(client, send, worker):
    made = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(made["id"])
    client.post("/v1/jobs", json={"prompt": "a vase"})
    sheet = "sku,prompt\nA,a red mug\nB,a vase\nC,a lamp\nD,A  LAMP\n"
    report = dry_run(client, sheet)
    assert report["valid"] is True
    assert report["forecast"] == {"from_store": 1, "shared": 2, "computed": 1}
    jobs = client.get(send(client, sheet)["links"]["items"]).json()["items"]
    for foreseen, job in zip(report["preview"], jobs, strict=True):
        for name in ("line", "sku", "prompt", "seed", "steps", "scheduler", "cache"):
            assert foreseen[name] == job[name]


def test_the_forecast_is_that_of_the_cache_mode(client, send, worker):
    made = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(made["id"])
    sheet = "sku,prompt\nA,a red mug\nB,a red mug\n"
    for cache in CacheMode:
        foreseen = [one["cache"] for one in dry_run(client, sheet, cache=cache)["preview"]]
        batch = send(client, sheet, cache=cache)
        jobs = client.get(batch["links"]["items"]).json()["items"]
        assert foreseen == [job["cache"] for job in jobs], cache
        client.post(batch["links"]["cancel"])


def test_a_forecast_writes_nothing_not_even_a_lock(shop, wanted):
    shop.succeed(shop.start(shop.want("mug").job_ids[0]))
    images: list[ImageRequest] = [wanted("mug"), wanted("vase")]
    with shop.database.session() as session:
        found = foresee(session, images, tenant="shop")
        assert session.execute(text("select pg_current_xact_id_if_assigned()")).scalar() is None
    assert found == [CacheOutcome.EXACT, CacheOutcome.MISS]


def test_file_names_are_shown_and_those_that_would_be_the_same_are_told(client):
    sheet = "sku,prompt\nA,a\nB,b\n"
    good = dry_run(client, sheet, channels="walmart", file_name="{{ sku }}")
    assert [one["files"]["walmart"] for one in good["preview"]] == ["A.jpg", "B.jpg"]
    bad = dry_run(client, sheet, file_name="mug")
    assert (bad["valid"], bad["errors"][0]["column"]) == (False, "file_name")


def test_as_many_prompts_as_wanted_are_shown(client):
    sheet = "sku,prompt\n" + "".join(f"S{n},mug {n}\n" for n in range(30))
    assert len(dry_run(client, sheet)["preview"]) == 20
    assert len(dry_run(client, sheet, preview=25)["preview"]) == 25
    assert dry_run(client, sheet, preview=0)["preview"] == []


def test_the_time_is_taken_from_the_machines_plan(serve, settings, tmp_path):
    client = serve(settings.model_copy(update={"home": tmp_path}))
    sheet = "sku,prompt,steps,width\nA,a,,\nB,b,8,\nC,c,,128\nD,a,,\n"
    unknown = dry_run(client, sheet)["estimate"]
    assert unknown["seconds"] is None
    assert "packshot tune" in unknown["basis"]
    save_plan(
        tmp_path,
        TunedPlan(
            plan=Plan(),
            machine=this_machine(),
            revision="1" * 64,
            width=64,
            height=64,
            steps_per_second=8.0,
            images_per_minute=60.0,
            image_seconds=1.0,
            tuned_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )
    known = dry_run(client, sheet)["estimate"]
    # One as measured, one of twice the steps, one of twice the pixels; the last is shared.
    assert (known["seconds"], known["images_per_minute"]) == (5.0, 36.0)
    assert "60.0 images a minute" in known["basis"]


def test_without_a_plan_the_time_is_taken_from_the_images_made_last(client, shop):
    jobs = shop.want(*[f"mug {n}" for n in range(12)]).job_ids
    for job_id in jobs:
        shop.succeed(shop.start(job_id))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    with shop.database.session() as session:
        for place, generation in enumerate(shop.generations()):
            row = session.get_one(Generation, generation.id)
            row.bundle_revision = "1" * 64
            # Two at a time, four seconds each, and a pause in the middle.
            start = began + timedelta(seconds=4 * (place // 2) + (100 if place > 5 else 0))
            row.started_at, row.finished_at = start, start + timedelta(seconds=4)
    report = dry_run(client, "sku,prompt,guidance_scale\nA,a,1\nB,b,\n")
    # 12 images of 4 calls in 24 s; these are of 4 and, guided, of 8.
    assert report["estimate"]["seconds"] == 6.0
    assert "last 12 images" in report["estimate"]["basis"]


EXPORTS = {
    "shopify.csv": ("shopify", 6),
    "shopify-2025.csv": ("shopify", 3),
    "woocommerce.csv": ("woocommerce", 5),
    "google.tsv": ("google", 3),
    "google-rss.xml": ("google", 2),
    "google-atom.xml": ("google", 1),
}


def test_exports_that_nobody_prepared_are_accepted_and_told(client):
    for name, (source, images) in EXPORTS.items():
        content = (PLATFORMS / name).read_bytes()
        report = dry_run(client, content, name)
        assert (report["valid"], report["images"]) == (True, images), name
        assert report["detected"]["source"] == source
        answer = client.post("/v1/batches", files={"file": (name, content)})
        assert answer.status_code == 202, answer.text
        batch = answer.json()
        assert batch["detected"] == report["detected"]
        assert client.get(batch["links"]["self"]).json()["detected"] == report["detected"]
        assert batch["total"] == images
        assert batch["warnings"] == report["warnings"]
        assert batch["notes"] == report["notes"]


def test_rows_that_look_alike_are_told_before_a_sheet_is_sent_and_when_it_is(client):
    sheet = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU\n"
        "tray,Tray,Lid,With,A\ntray,,,Without,B\ncap,Cap,Size,S,C\ncap,,,M,D\n"
    )
    report = dry_run(client, sheet)
    batch = client.post("/v1/batches", files={"file": ("sheet.csv", sheet)}).json()
    for answer in (report, batch, client.get(batch["links"]["self"]).json()):
        (warning,), (note,) = answer["warnings"], answer["notes"]
        assert "'Lid' (With, Without)" in warning["message"]
        assert "'Size' (S, M)" in note["message"]


def test_the_results_of_an_export_are_the_export_as_it_came(client):
    content = (PLATFORMS / "shopify.csv").read_bytes()
    batch = client.post("/v1/batches", files={"file": ("shopify.csv", content)}).json()
    results = client.get(batch["links"]["results"]).text
    came = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    went = list(csv.DictReader(io.StringIO(results, newline="")))
    # Without the line of a further image.
    assert [{name: row[name] for name in came[0]} for row in went] == came[:2] + came[3:]


def test_what_is_found_out_can_be_said_instead(client):
    sheet = "Artikel|Text\nA|Größe\n".encode("iso-8859-15")
    names = '{"sku": "Artikel", "prompt": "Text"}'
    report = dry_run(
        client, sheet, encoding="ISO-8859-15", separator="pipe", columns=names, source="plain"
    )
    assert report["detected"] == {
        "format": "csv",
        "source": "plain",
        "worksheet": None,
        "encoding": "iso-8859-15",
        "separator": "|",
        "columns": {"sku": "Artikel", "prompt": "Text"},
        "template": None,
        "skipped": 0,
    }
    assert report["preview"][0]["prompt"] == "Größe"


REFUSED = [
    ({"encoding": "zip"}, "'zip' is not an encoding"),
    ({"separator": "ab"}, "A separator is one character"),
    ({"separator": "\x01"}, "A separator is one character"),
    ({"columns": "{"}, "sent as JSON"),
    ({"columns": '{"sku": 1}'}, "columns.sku"),
    ({"columns": '{"sku": "\\u0000"}'}, "NUL"),
    ({"columns": '{"sku": "Artikel"}'}, "'Artikel', which is not there"),
    ({"source": "magento"}, "source"),
    ({"source": "shopify"}, "no shopify export"),
    ({"preview": "20000"}, "preview"),
]


def test_what_is_said_of_a_sheet_and_cannot_be_is_refused_in_words(client):
    for fields, words in REFUSED:
        for extra in ({}, {"dry_run": "true"}):
            answer = client.post(
                "/v1/batches", files={"file": ("a.csv", "sku,prompt\nA,a\n")}, data=fields | extra
            )
            assert answer.status_code == 422, fields
            assert words in answer.text


def test_a_file_that_cannot_be_read_is_refused_by_a_dry_run_too(client):
    answer = client.post(
        "/v1/batches", files={"file": ("a.csv", b"PK\x03\x04")}, data={"dry_run": "true"}
    )
    assert answer.status_code == 422
    assert "export it as CSV" in answer.json()["detail"]


VARIANTS = (
    "Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,"
    "Variant Price\n"
    "cap,Cap,Kaai,Caps,Color,Red,Size,S,R-S,1\n"
    "cap,,,,,Red,,M,R-M,1\n"
    "cap,,,,,Blue,,S,B-S,1\n"
    "mug,Mug,Kaai,Mugs,Handle,Left,,,M-L,1\n"
    "mug,,,,,Right,,,M-R,1\n"
)


def test_rows_that_will_share_an_image_are_listed_with_what_they_differ_in(client):
    shared = dry_run(client, VARIANTS, variants="2")["shared_images"]
    assert (shared["images"], shared["rows"]) == (2, 4)
    cap, mug = shared["listed"]
    assert cap == {
        "prompt": "red cap on a white background",
        "rows": 2,
        "skus": ["R-S", "R-M"],
        "lines": [2, 3],
        "differences": {"Size": ["S", "M"]},
        "visible": [],
    }
    assert (mug["differences"], mug["visible"]) == ({"Handle": ["Left", "Right"]}, ["Handle"])


def test_rows_with_seeds_of_their_own_share_no_image(client):
    shared = dry_run(client, VARIANTS, seed="per_sku")["shared_images"]
    assert shared == {"images": 0, "rows": 0, "listed": []}


def test_the_list_of_shared_images_is_as_long_as_asked_for(client):
    shared = dry_run(client, VARIANTS, shared="1")["shared_images"]
    assert (shared["images"], len(shared["listed"])) == (2, 1)
    assert dry_run(client, VARIANTS, shared="0")["shared_images"]["listed"] == []


def test_equal_rows_of_a_plain_sheet_differ_in_nothing(client):
    (one,) = dry_run(client, "sku,prompt\nA,a mug\nB,a mug\n")["shared_images"]["listed"]
    assert (one["skus"], one["differences"]) == (["A", "B"], {})
