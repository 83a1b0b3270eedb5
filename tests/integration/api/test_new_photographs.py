"""The page New batch: photographs beside the sheet, honest and not."""

import io
import re
import zipfile

import httpx
import pytest
from PIL import Image

from core.db.models import Job, Source
from core.domain.photograph_spec import ImageMode
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in

PATH = "/workbench/new"
SHEET = b"sku,title,image\nMUG-1/RED,Mug,\nJUG,Jug,front view.JPG\nCUP,Cup,\n"


def photograph(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "JPEG")
    return stream.getvalue()


def packed(entries: dict[str, bytes], **options: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def sign_in(database):
    """Sign somebody in at a server, and sign all out at the end."""
    browsers = []

    def sign_in(client: httpx.Client) -> Browser:
        with database.session() as session:
            _, key = create_key(session, "shop", "Ada")
        browsers.append(Browser(str(client.base_url)))
        browsers[-1].sign_in(key)
        return browsers[-1]

    yield sign_in
    for browser in browsers:
        browser.http.close()


@pytest.fixture
def ada(client, sign_in):
    return sign_in(client)


def fields_of(page: httpx.Response) -> dict[str, str]:
    (form,) = [one for one in forms_in(page.text) if one["action"] == PATH]
    return form["fields"]


def send(ada, *files: tuple[str, bytes], page=None, headers=None, **values) -> httpx.Response:
    """Send photographs with the form of a page, as a browser without scripts does."""
    fields = fields_of(page or ada.get(PATH)) | values
    fields.pop("photos")
    # A browser sends all of the form: the sheet, too.
    parts = [("file", ("products.csv", SHEET)), *(("photos", one) for one in files)]
    return ada.http.post(f"{PATH}/photographs", data=fields, files=parts, headers=headers or {})


def look(ada, page, *, path=PATH, **values) -> httpx.Response:
    fields = fields_of(page) | {"mode": "cutout", "on_error": "skip"} | values
    fields.pop("photos")
    parts = {"file": ("products.csv", SHEET), "photos": ("", b"")}
    return ada.http.post(path, data=fields, files=parts)


def test_photographs_and_those_in_a_zip_file_become_images_of_their_rows(ada, shop):
    archive = packed({"in/Front View.jpg": photograph("blue"), "notes.txt": b"x"})
    page = send(
        ada, ("mug_1-red.JPG", photograph("red")), ("more.zip", archive), ("x.png", b"no image")
    )
    assert page.status_code == 200, page.text
    assert "2 photographs are here" in page.text
    assert re.search(r"1 file was refused.*<li>x\.png: ", page.text, re.DOTALL)
    page = send(ada, ("other.jpg", photograph("green")), page=page)
    assert "3 photographs are here" in page.text
    assert shop.all(Job) == []
    seen = look(ada, page)
    assert "2 of 3 rows have one of your 3 photographs" in seen.text
    assert "<summary>1 row has no photograph</summary>\n<ul><li>line 4 (CUP)</li>" in seen.text
    assert "<summary>1 photograph belongs to no row</summary>\n<ul><li>other.jpg</li>" in seen.text
    assert "Queue 2 images" in seen.text
    done = look(ada, seen, path=f"{PATH}/all")
    assert "/batches/" in str(done.url), done.text
    named = {one.file_name: one.digest for one in shop.all(Source)}
    made = {one.sku: one for one in shop.all(Job)}
    assert made["MUG-1/RED"].spec.photograph.source == named["mug_1-red.JPG"]
    assert made["JUG"].spec.photograph.source == named["Front View.jpg"]
    assert {one.spec.mode for one in made.values()} == {ImageMode.CUTOUT}


def test_what_the_form_said_is_still_there_when_photographs_came(ada):
    page = send(ada, ("a.jpg", photograph("red")), name="Autumn", mode="scene", on_error="skip")
    assert 'value="Autumn"' in page.text
    assert '<option value="scene" selected>' in page.text
    assert 'value="skip" checked' in page.text


def test_htmx_gets_the_photographs_alone_and_looks_again(ada):
    answer = send(ada, ("a.jpg", photograph("red")), headers={"HX-Request": "true"})
    assert "1 photograph is here" in answer.text
    assert "<html" not in answer.text
    assert answer.headers["HX-Trigger-After-Swap"] == "photographs"


def test_words_alone_use_no_photograph_and_that_is_said(ada):
    page = send(ada, ("CUP.jpg", photograph("red")))
    seen = look(ada, page, mode="", template="a {{ title }}")
    assert "1 of 3 rows have one of your 1 photographs" in seen.text
    assert "They are not used" in seen.text


def test_the_same_photograph_is_stored_once(ada, shop):
    page = send(ada, ("a.jpg", photograph("red")), ("b.jpg", photograph("red")))
    assert "2 photographs are here" in page.text
    assert len(shop.all(Source)) == 1


def test_photographs_that_nobody_received_are_not_left_out_silently(ada, shop):
    fields = fields_of(ada.get(PATH))
    fields.pop("photos")
    files = [("file", ("products.csv", SHEET)), ("photos", ("a.jpg", photograph("red")))]
    answer = ada.http.post(PATH, data=fields, files=files)
    assert answer.status_code == 422
    assert "photographs were not received yet" in answer.text
    assert shop.all(Source) == []


@pytest.mark.parametrize("token", [None, "another"])
def test_nothing_is_kept_of_a_form_without_the_session_s_token(ada, shop, token):
    data = {} if token is None else {"csrf": token}
    files = [("photos", ("a.jpg", photograph("red")))]
    assert ada.http.post(f"{PATH}/photographs", data=data, files=files).status_code == 403
    # Behind the files it is too late.
    csrf = fields_of(ada.get(PATH))["csrf"]
    late = [*files, ("csrf", (None, csrf))]
    assert ada.http.post(f"{PATH}/photographs", files=late).status_code == 403
    assert shop.all(Source) == []


def test_hostile_zip_files_are_refused_and_the_others_go_on(serve, settings, sign_in, shop):
    limits = {"max_source_bytes": 100_000, "max_album_bytes": 250_000}
    ada = sign_in(serve(settings.model_copy(update=limits)))
    bomb = packed(
        {f"{number}.jpg": bytes(2**20) for number in range(5)}
        | {"../../etc/mug.jpg": photograph("red")},
        compression=zipfile.ZIP_DEFLATED,
    )
    damaged = bytearray(packed({"d.jpg": photograph("blue")}))
    damaged[60] ^= 1
    page = send(
        ada,
        ("damaged.zip", bytes(damaged)),
        ("torn.zip", b"PK\x03\x04 no more of it"),
        ("empty.zip", packed({"notes.txt": b""})),
        ("bomb.zip", bomb),
        ("z.jpg", photograph("green")),
    )
    assert page.status_code == 200, page.text
    assert "d.jpg cannot be read from the ZIP file" in page.text
    assert "torn.zip is a damaged ZIP file" in page.text
    assert "empty.zip: There is no photograph in it" in page.text
    assert "0.jpg is larger than" in page.text
    # What was unpacked in vain counts.
    assert "4.jpg: The photographs of the ZIP file have more than 250,000 bytes" in page.text
    assert {one.file_name for one in shop.all(Source)} == {"mug.jpg", "z.jpg"}


def test_a_list_that_is_damaged_is_said(ada):
    page = look(ada, ada.get(PATH), kept="nonsense a.jpg")
    assert page.status_code == 422
    assert "The list of photographs is damaged" in page.text
    assert "nonsense" not in page.text


FORM = "multipart/form-data; boundary=x"
NAMELESS = b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"
TORN = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nhalf'


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"no form", FORM, 422),
        (NAMELESS, FORM, 422),
        (TORN, FORM, 422),
    ],
)
def test_what_is_no_form_is_refused_in_a_sentence(ada, body, kind, status):
    token = fields_of(ada.get(PATH))["csrf"]
    headers = {"Content-Type": kind, "X-CSRF-Token": token}
    answer = ada.http.post(f"{PATH}/photographs", content=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_fields_are_bounded(ada):
    token = fields_of(ada.get(PATH))["csrf"]
    sent = [("csrf", (None, token)), ("name", (None, "x" * 2**20))]
    answer = ada.http.post(f"{PATH}/photographs", files=sent)
    assert answer.status_code == 413


def test_somebody_who_may_only_read_sends_nothing(client, database, shop):
    with database.session() as session:
        _, key = create_key(session, "shop", "Ben", scopes=["read"])
    with Browser(str(client.base_url)) as ben:
        page = ben.sign_in(key)
        (form, *_) = forms_in(page.text)
        files = [("photos", ("a.jpg", photograph("red")))]
        data = {"csrf": form["fields"]["csrf"]}
        assert ben.http.post(f"{PATH}/photographs", data=data, files=files).status_code == 403
    assert shop.all(Source) == []
