"""Content credentials: signed by one's own certificate, verified by C2PA's own reader."""

import json
from io import BytesIO

import c2pa
import pytest

from core.db.engine import Database
from core.errors import InvalidSettingError
from core.pictures.certificate import make_certificate
from core.pictures.credentials import Ingredient
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE, ENHANCED, source_type_of
from core.settings import Settings
from core.signing import credentials_of, named_certificate
from tests.certificates import make_chain, signing, verified
from tests.pictures import TRAINED, product, source_type


@pytest.fixture(scope="module")
def chain() -> tuple[str, str, str]:
    return make_chain()


@pytest.mark.parametrize("format_", Format)
def test_c2pa_verifies_what_was_signed_against_the_root(chain, format_, tmp_path):
    leaf, key, root = chain
    plain = encode(product(), format_)
    signed = encode(product(), format_, credentials=signing(leaf, key))
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
    signed = signing(leaf, key).sign(plain, Format.JPEG, source_type=mark, ingredient=photograph)
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
    signed = bytearray(encode(product(), Format.JPEG, credentials=signing(leaf, key)))
    signed[-100] ^= 1
    with c2pa.Reader("image/jpeg", BytesIO(bytes(signed))) as reader:
        assert reader.get_validation_state() == "Invalid"
        assert "dataHash" in json.dumps(reader.get_validation_results())


def test_settings_name_the_certificate_and_the_key(chain, tmp_path):
    leaf, key, _ = chain
    (tmp_path / "chain.pem").write_text(leaf)
    (tmp_path / "key.pem").write_text(key)
    named = {"c2pa_certificate": str(tmp_path / "chain.pem")}
    assert named_certificate(Settings(_env_file=None)) is None
    with pytest.raises(InvalidSettingError, match="go together"):
        named_certificate(Settings(_env_file=None, **named))
    with pytest.raises(InvalidSettingError, match=r"gone.pem cannot be read as PEM"):
        named_certificate(Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "gone.pem")))
    both = Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "key.pem"))
    # Nobody asks the database, which is not there.
    credentials = credentials_of(both, Database(both))
    assert credentials is not None
    assert credentials.signer == signing(leaf, key).signer
    off = both.model_copy(update={"content_credentials": False})
    assert credentials_of(off, Database(off)) is None


def test_a_certificate_of_ones_own_signs_and_says_whose_it_is(chain):
    made = make_certificate()
    signed = encode(product(), Format.PNG, credentials=signing(made.chain, made.key))
    # C2PA's reader finds nothing wrong with it but that no list of authorities knows it.
    state, manifest = verified(signed, "image/png", chain[2])
    assert state == "Valid"
    assert manifest["signature_info"]["issuer"] == "packshot (self-issued)"
    assert made.key not in repr(made)


def test_a_key_that_does_not_sign_is_found_out_at_the_start(chain):
    leaf, key, _ = chain
    with pytest.raises(InvalidSettingError, match=r"cannot sign .* P-256"):
        signing(leaf, "no key")
    with pytest.raises(InvalidSettingError, match="cannot sign"):
        signing("no certificate", key)
