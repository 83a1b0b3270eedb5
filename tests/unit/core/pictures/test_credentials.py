"""Content credentials: signed by one's own certificate, verified by C2PA's own reader."""

import json
from io import BytesIO

import c2pa
import pytest

from core.errors import InvalidSettingError
from core.pictures.credentials import Credentials, Ingredient, credentials_of
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE, ENHANCED, source_type_of
from core.settings import Settings
from tests.certificates import make_chain, verified
from tests.pictures import TRAINED, product, source_type


@pytest.fixture(scope="module")
def chain() -> tuple[str, str, str]:
    return make_chain()


@pytest.mark.parametrize("format_", Format)
def test_c2pa_verifies_what_was_signed_against_the_root(chain, format_, tmp_path):
    leaf, key, root = chain
    plain = encode(product(), format_)
    signed = encode(product(), format_, credentials=Credentials(leaf, key))
    assert len(signed) - len(plain) < 20_000
    state, manifest = verified(signed, format_.content_type, root)
    assert state == "Trusted"
    assert manifest.get("thumbnail") is None
    (actions,) = (one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    assert actions["data"]["actions"][0]["digitalSourceType"] == TRAINED
    # The older mark is still there, for those who read only that.
    assert source_type_of(signed) == TRAINED
    file = tmp_path / f"signed.{format_.extension}"
    file.write_bytes(signed)
    assert source_type(file) == TRAINED


@pytest.mark.parametrize(
    ("is_part", "mark", "named", "actions"),
    [
        (False, ENHANCED, "parentOf", ["c2pa.opened", "c2pa.edited"]),
        (True, COMPOSITE, "componentOf", ["c2pa.created", "c2pa.placed"]),
    ],
)
def test_credentials_name_the_photograph_that_an_image_was_made_of(
    chain, is_part, mark, named, actions
):
    leaf, key, root = chain
    photograph = Ingredient(
        title="mug red.jpg", content_type="image/jpeg", digest="ab" * 32, is_part=is_part
    )
    plain = encode(product(), Format.JPEG, source_type=mark)
    signed = Credentials(leaf, key).sign(
        plain, Format.JPEG, source_type=mark, ingredient=photograph
    )
    assert len(signed) - len(plain) < 20_000
    state, manifest = verified(signed, "image/jpeg", root)
    assert state == "Trusted"
    (ingredient,) = manifest["ingredients"]
    assert ingredient["title"] == "mug red.jpg"
    assert ingredient["instance_id"] == f"urn:sha256:{'ab' * 32}"
    assert ingredient["relationship"] == named
    (done,) = (one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    assert [one["action"] for one in done["data"]["actions"]] == actions
    assert [one.get("digitalSourceType") for one in done["data"]["actions"]].count(mark) == 1
    # One of the two has the ingredient, by its place and hash.
    (using,) = (one for one in done["data"]["actions"] if "parameters" in one)
    assert using["parameters"]["ingredients"][0]["hash"]


def test_a_changed_pixel_breaks_the_signature(chain):
    leaf, key, _ = chain
    signed = bytearray(encode(product(), Format.JPEG, credentials=Credentials(leaf, key)))
    signed[-100] ^= 1
    with c2pa.Reader("image/jpeg", BytesIO(bytes(signed))) as reader:
        assert reader.get_validation_state() == "Invalid"
        assert "dataHash" in json.dumps(reader.get_validation_results())


def test_settings_name_the_certificate_and_the_key(chain, tmp_path):
    leaf, key, _ = chain
    (tmp_path / "chain.pem").write_text(leaf)
    (tmp_path / "key.pem").write_text(key)
    named = {"c2pa_certificate": str(tmp_path / "chain.pem")}
    assert credentials_of(Settings(_env_file=None)) is None
    with pytest.raises(InvalidSettingError, match="go together"):
        credentials_of(Settings(_env_file=None, **named))
    with pytest.raises(InvalidSettingError, match=r"gone.pem cannot be read as PEM"):
        credentials_of(Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "gone.pem")))
    both = Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "key.pem"))
    assert credentials_of(both) is not None


def test_a_key_that_does_not_sign_is_found_out_at_the_start(chain):
    leaf, key, _ = chain
    with pytest.raises(InvalidSettingError, match=r"cannot sign .* P-256"):
        Credentials(leaf, "no key")
    with pytest.raises(InvalidSettingError, match="cannot sign"):
        Credentials("no certificate", key)
