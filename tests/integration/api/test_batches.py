"""Sheets: sent, refused, read, cancelled, downloaded."""

import csv
import io

import pytest
from sqlalchemy import func, select, text

from core.db.bulk_insert import ANALYZED
from core.db.models import Batch, Job
from core.errors import GenerationFailedError
from tests.integration.api.conftest import PIXELS
from tests.integration.shop import poll

SHEET = "sku,prompt,variants\nMUG-1,a red mug,2\nMUG-2,a blue mug,\n"


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_sheet_becomes_one_job_per_row_and_variant(client, send):
    batch = send(client, SHEET)
    assert batch["total"] == 3
    assert batch["state"] == "running"
    assert batch["lane"] == "standard"
    assert batch["name"] == "sheet.csv"
    assert batch["counts"] == {
        "queued": 3, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0,
    }  # fmt: skip
    path = f"/v1/batches/{batch['id']}"
    assert batch["links"] == {
        "self": path,
        "items": f"{path}/items",
        "results": f"{path}/results.csv",
        "images": f"{path}/images.zip",
        "manifest": f"{path}/manifest.jsonl",
        "cancel": f"{path}/cancel",
        "retry": f"{path}/retry",
    }
    assert client.get(path).json() == batch
    jobs = client.get(f"{path}/items").json()["items"]
    assert [(job["sku"], job["variant"], job["line"], job["prompt"]) for job in jobs] == [
        ("MUG-1", 1, 2, "a red mug"),
        ("MUG-1", 2, 2, "a red mug"),
        ("MUG-2", 1, 3, "a blue mug"),
    ]
    assert {job["batch_id"] for job in jobs} == {batch["id"]}


def test_the_answer_says_where_the_batch_is(client):
    answer = client.post("/v1/batches", files={"file": ("sheet.csv", SHEET)})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["links"]["self"]


def test_rows_can_be_sent_as_json_and_as_jsonl(client):
    rows = [{"sku": 1, "prompt": "a red mug"}, {"sku": "2", "prompt": "a blue mug", "steps": 9}]
    as_json = client.post("/v1/batches", json={"rows": rows, "name": "spring"})
    assert as_json.status_code == 202, as_json.text
    lines = '{"sku": 1, "prompt": "a red mug"}\n\n{"sku": "2", "prompt": "a blue mug", "steps": 9}'
    as_lines = client.post("/v1/batches", files={"file": ("sheet.jsonl", lines)})
    assert as_lines.status_code == 202, as_lines.text
    shown = []
    for answer in (as_json, as_lines):
        jobs = client.get(answer.json()["links"]["items"]).json()["items"]
        shown.append([(job["sku"], job["steps"]) for job in jobs])
    assert shown == [[("1", 4), ("2", 9)]] * 2
    assert as_json.json()["name"] == "spring"


def test_a_cell_wins_over_a_field_which_wins_over_the_model(client, send):
    sheet = "sku,prompt,steps,width\nA,a,7,\nB,b,,96\n"
    batch = send(client, sheet, steps=9, scheduler="euler", lane="bulk", name="spring")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [(job["steps"], job["width"], job["height"]) for job in jobs] == [
        (7, 64, 64),
        (9, 96, 64),
    ]
    assert {job["scheduler"] for job in jobs} == {"euler"}
    assert (batch["lane"], batch["name"]) == ("bulk", "spring")


def test_a_template_makes_prompts_of_the_columns(client, send):
    sheet = "sku,Main Color,kind\nA,Red,mug\nB,,vase\n"
    template = "a {% if main_color %}{{ main_color|lower }} {% endif %}{{ kind }}"
    batch = send(client, sheet, template=template)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [job["prompt"] for job in jobs] == ["a red mug", "a vase"]


def test_every_bad_row_is_named_at_once_and_nothing_is_queued(client, shop):
    sheet = (
        "sku,prompt,width,scheduler\n"
        ",a red mug,,\n"
        '"B","two\nlines",100,\n'
        "C,,,eular\n"
        "D,a good one,64,euler\n"
    )
    answer = client.post("/v1/batches", files={"file": ("sheet.csv", sheet)})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_sheet"
    assert [(error["line"], error["column"]) for error in problem["errors"]] == [
        (2, "sku"),
        (3, "width"),
        (5, "scheduler"),
        (5, "prompt"),
    ]
    with shop.database.session() as session:
        assert session.scalar(select(func.count(Job.id))) == 0
        assert session.scalar(select(func.count(Batch.id))) == 0


def test_more_images_than_the_server_allows_are_refused_before_anything_is_queued(serve, settings):
    client = serve(settings.model_copy(update={"max_sheet_rows": 3}))
    rows = "sku,prompt\n" + "A,a\n" * 4
    for sheet, words in (
        (rows, "more than 3 rows"),
        ("sku,prompt,variants\nA,a,2\nB,b,2\n", "4 images"),
    ):
        answer = client.post("/v1/batches", files={"file": ("sheet.csv", sheet)})
        assert answer.status_code == 422
        assert words in answer.json()["detail"]
        assert "Split " in answer.json()["detail"]
    answer = client.post("/v1/batches", json={"rows": [{}] * 4})
    assert "more than 3 rows" in answer.json()["detail"]


def test_json_of_too_many_values_is_refused_before_they_are_made(client):
    body = b'{"rows": [' + b"[]," * 1_300_000 + b"[]]}"
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/batches", content=body, headers=headers)
    assert answer.status_code == 422
    assert "more than 5,000,000 values" in answer.json()["detail"]


def test_a_warning_is_in_the_batch_in_the_job_and_in_the_results(client, send):
    prompt = "one two three four five six seven eight nine ten eleven"
    batch = send(client, f"sku,prompt\nA,short\nB,{prompt}\n")
    (warning,) = batch["warnings"]
    assert (warning["line"], warning["column"]) == (3, "prompt")
    assert "“eleven”" in warning["message"]
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [job["warning"] for job in jobs] == [None, warning["message"]]
    rows = read_csv(client.get(batch["links"]["results"]).text)
    assert [row["warning"] for row in rows] == ["", warning["message"]]


def test_pages_of_items_are_in_the_sheets_order_and_end(client, send):
    batch = send(client, "sku,prompt\n" + "".join(f"S{n},mug {n}\n" for n in range(7)))
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(batch["links"]["items"], params=query).json()
        assert len(page["items"]) <= 3
        seen += [job["sku"] for job in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"S{n}" for n in range(7)]


def test_items_can_be_chosen_by_state(client, send, worker):
    batch = send(client, SHEET)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    worker.make(jobs[1]["id"])
    chosen = client.get(batch["links"]["items"], params={"state": "succeeded"}).json()["items"]
    assert [job["id"] for job in chosen] == [jobs[1]["id"]]
    answer = client.get(batch["links"]["items"], params={"state": "done"})
    assert answer.status_code == 422


def test_batches_are_listed_newest_first_in_pages(client, send):
    names = [send(client, SHEET, name=f"sheet {n}")["name"] for n in range(3)]
    first = client.get("/v1/batches", params={"limit": 2}).json()
    second = client.get("/v1/batches", params={"limit": 2, "cursor": first["next"]}).json()
    assert [batch["name"] for batch in first["items"] + second["items"]] == names[::-1]
    assert first["items"][0]["counts"]["queued"] == 3
    assert second["next"] is None


@pytest.mark.parametrize("cursor", ["rubbish", "***", "é"])
def test_a_cursor_that_nobody_made_is_refused(client, send, cursor):
    batch = send(client, SHEET)
    for path in ("/v1/batches", batch["links"]["items"]):
        answer = client.get(path, params={"cursor": cursor})
        assert answer.status_code == 422
        assert "cursor" in answer.json()["detail"]


def test_counts_follow_the_jobs_and_the_last_one_completes_the_batch(client, send, worker):
    batch = send(client, SHEET)
    first, second, third = client.get(batch["links"]["items"]).json()["items"]
    worker.make(first["id"])
    worker.fail(second["id"], GenerationFailedError())
    worker.start(third["id"])
    counts = client.get(batch["links"]["self"]).json()["counts"]
    assert (counts["succeeded"], counts["failed"], counts["running"]) == (1, 1, 1)


def test_a_sheet_that_store_answers_whole_is_complete_at_once(client, send, worker):
    sheet = "sku,prompt\nA,a red mug\n"
    (job,) = client.get(send(client, sheet)["links"]["items"]).json()["items"]
    worker.make(job["id"])
    again = send(client, sheet)
    assert again["state"] == "completed"
    assert again["counts"]["succeeded"] == 1
    assert again["finished_at"] is not None


def test_cancelling_keeps_what_is_finished(client, send, worker):
    batch = send(client, SHEET)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    worker.make(jobs[0]["id"])
    answer = client.post(batch["links"]["cancel"])
    assert answer.status_code == 202
    assert answer.json()["state"] == "canceled"
    assert answer.json()["counts"] == {
        "queued": 0, "running": 0, "succeeded": 1, "failed": 0, "canceled": 2,
    }  # fmt: skip
    assert client.get(f"/v1/jobs/{jobs[0]['id']}/image").content == PIXELS
    assert client.post(batch["links"]["cancel"]).json()["state"] == "canceled"


def test_the_results_are_the_sheet_with_what_became_of_each_image(client, send, worker):
    sheet = 'prompt;sku;note\na red mug;A;"one; ""two""\nthree"\na blue mug;B;=1+1\n'
    batch = send(client, sheet, variants=1)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    worker.make(jobs[0]["id"])
    worker.fail(jobs[1]["id"], GenerationFailedError("Not a number."))
    answer = client.get(batch["links"]["results"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    header = answer.text.partition("\r\n")[0]
    assert header == (
        "prompt,sku,note,variant,status,error,error_code,retry_helps,image,seed,cache,seconds,warning,"
        "model,revision,ai_use,alt_text,approval,judged_by,judged_at,judgement"
    )
    first, second = read_csv(answer.text)
    assert first["note"] == 'one; "two"\nthree'
    assert first["status"] == "succeeded"
    assert first["seconds"] == "1.5"
    assert (first["ai_use"], second["ai_use"]) == ("generated", "")
    assert client.get(first["image"]).content == PIXELS
    assert second["note"] == "'=1+1"
    assert (first["error_code"], first["retry_helps"]) == ("", "")
    assert (second["status"], second["error"], second["image"]) == ("failed", "Not a number.", "")
    assert (second["error_code"], second["retry_helps"]) == ("generation_failed", "true")


def test_results_of_more_than_one_page_are_whole(client, send, monkeypatch):
    from api.exports import results

    monkeypatch.setattr(results, "PAGE_ROWS", 2)
    batch = send(client, "sku,prompt\n" + "".join(f"S{n},mug {n}\n" for n in range(5)))
    rows = read_csv(client.get(batch["links"]["results"]).text)
    assert [row["sku"] for row in rows] == [f"S{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("sheet.xlsx", b"PK\x03\x04rest", "export it as CSV"),
        ("sheet.csv", b"\x00\x01\x02", "binary"),
        ("sheet.csv", b"", "empty"),
        ("sheet.csv", b"sku,prompt\n", "no rows"),
        ("sheet.csv", b"sku,promt\nA,a\n", "Did you mean 'promt'?"),
        ("sheet.csv", b"sku,prompt\nA,\x81\xe9\n", "CSV UTF-8"),
        ("sheet.csv", b"sku,prompt,SKU\nA,a,B\n", "same name"),
        ("sheet.csv", b"sku,prompt\nA,a,mug\n", "3 cells"),
        ("sheet.csv", b'sku,prompt\nA,"a mug\n', "Line 2"),
        ("sheet.jsonl", b"[\n", "whole object per line"),
        ("sheet.json", b"[]", ".jsonl"),
    ],
)
def test_a_file_that_is_no_good_sheet_is_refused_in_words(client, name, content, words):
    answer = client.post("/v1/batches", files={"file": (name, content)})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_sheet"
    assert words in problem["detail"] + str(problem["errors"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ({"data": {"file": "a,b"}, "files": {"other": b""}}, 422, "curl -F file=@"),
        ({"json": {}}, 422, "rows"),
        ({"json": {"rows": [1]}}, 422, "One JSON object per row"),
        ({"json": {"rows": []}}, 422, "no rows"),
        ({"json": {"rows": [{"sku": "A", "prompt": "a"}], "stepz": 1}}, 422, "stepz"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "not valid JSON"),
        ({"content": b"a", "headers": {"Content-Type": "text/csv"}}, 415, "multipart/form-data"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "boundary",
        ),
        (
            {
                "content": b'{"rows": [{"sku": "A", "prompt": "a", "x": 1e999}]}',
                "headers": {"Content-Type": "application/json"},
            },
            422,
            "too large",
        ),
        (
            {
                "content": b'{"rows": [{"sku": "A", "prompt": "a", "x": ["\\ud800"]}]}',
                "headers": {"Content-Type": "application/json"},
            },
            422,
            "UTF-16",
        ),
        (
            {
                "content": b'{"rows": ' + b"[" * 100_000,
                "headers": {"Content-Type": "application/json"},
            },
            422,
            "not valid JSON",
        ),
    ],
)
def test_a_body_that_is_no_batch_is_refused_in_words(client, arguments, status, words):
    answer = client.post("/v1/batches", **arguments)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


@pytest.mark.own_database
def test_after_a_large_sheet_the_planner_knows_the_tables(client, database):
    lines = "".join(f"S{number},mug {number}\n" for number in range(ANALYZED))
    answer = client.post("/v1/batches", files={"file": ("a.csv", f"sku,prompt\n{lines}")})
    assert answer.status_code == 202

    def known() -> dict[str, float]:
        statement = text("select relname, reltuples from pg_class where relname = any(:names)")
        with database.reader() as session:
            return dict(session.execute(statement, {"names": ["job", "generation"]}).all())

    poll(lambda: known() == {"job": ANALYZED, "generation": ANALYZED})
