"""A URL has one plain form; every disguise of a host is refused with a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.egress.policy import EgressPolicy
from core.egress.url import LONGEST, parse_url
from core.errors import ForbiddenUrlError, InvalidSettingError
from core.settings import Settings


def policy(**values: str) -> EgressPolicy:
    return EgressPolicy.of(Settings(_env_file=None, **values))


PLAIN = {
    "https://shop.example/hooks": "https://shop.example/hooks",
    "HTTPS://Shop.Example/Hooks": "https://shop.example/Hooks",
    "https://shop.example": "https://shop.example/",
    "https://shop.example:443/a?b=c#d": "https://shop.example/a?b=c",
    "http://shop.example:80/": "http://shop.example/",
    "https://shop.example./": "https://shop.example/",
    "https://shop.example/ä ö?q=ü".replace(" ", "%20"): (
        "https://shop.example/%C3%A4%20%C3%B6?q=%C3%BC"
    ),
    "https://shop.example/a;b=1/c?d=e;f": "https://shop.example/a;b=1/c?d=e;f",
    "https://bücher.example/": "https://xn--bcher-kva.example/",
    "https://ｓｈｏｐ.example/": "https://shop.example/",
    "https://shop。example/": "https://shop.example/",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://[2606:4700:4700:0::1111]/": "https://[2606:4700:4700::1111]/",
    "https://_hooks.shop.example/": "https://_hooks.shop.example/",
}


@pytest.mark.parametrize(("given_", "plain"), PLAIN.items())
def test_a_url_has_one_plain_form(given_: str, plain: str):
    target = policy().judge(given_)
    assert target.url == plain
    assert parse_url(plain).url == plain


FORBIDDEN = {
    "decimal": "http://2130706433/",
    "octal": "http://0177.0.0.1/",
    "hexadecimal": "http://0x7f.0.0.1/",
    "hexadecimal in one": "http://0x7f000001/",
    "short": "http://127.1/",
    "mixed": "http://0x7f.1/",
    "full-width digits": "http://１２７.０.０.１/",
    "circled digits": "http://①②⑦.⓪.⓪.①/",
    "too many parts": "http://127.0.0.1.5/",
    "too large": "http://256.256.256.256/",
    "with a dot behind": "http://127.0.0.1./",
    "dotted decimal": "http://127.0.0.1/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "this machine": "http://localhost/",
    "this machine in capitals": "http://LOCALHOST./",
    "below this machine": "http://a.localhost/",
    "IPv6 loopback": "http://[::1]/",
    "mapped": "http://[::ffff:127.0.0.1]/",
    "mapped in hexadecimal": "http://[::ffff:7f00:1]/",
    "NAT64": "http://[64:ff9b::7f00:1]/",
    "6to4": "http://[2002:7f00:1::]/",
    "compatible": "http://[::127.0.0.1]/",
    "a zone": "http://[fe80::1%25eth0]/",
    "a bare zone": "http://[fe80::1%eth0]/",
    "no brackets": "http://::1/",
    "brackets around a name": "http://[localhost]/",
    "brackets around IPv4": "http://[127.0.0.1]/",
    "a future address": "http://[v1.x]/",
    "a user": "http://admin@shop.example/",
    "a password": "http://admin:secret@shop.example/",
    "an empty user": "http://@shop.example/",
    "a host behind a user": "http://shop.example:80@127.0.0.1/",
    "a backslash": "http://shop.example\\@127.0.0.1/",
    "a space": "http://shop.example /",
    "a line break": "http://shop.example/\r\nHost: evil",
    "a tab in the host": "http://sh\top.example/",
    "a NUL": "http://shop.example/\0",
    "half a character": "http://shop.example/\ud800",
    "an escaped host": "http://%31%32%37.0.0.1/",
    "an odd port": "http://shop.example:6379/",
    "ssh's port": "https://shop.example:22/",
    "port 0": "http://shop.example:0/",
    "no port": "http://shop.example:/",
    "a port that is too large": "http://shop.example:65536/",
    "a port that is no number": "http://shop.example:80a/",
    "no host": "http:///hooks",
    "no scheme": "shop.example/hooks",
    "only slashes": "//shop.example/hooks",
    "nothing": "",
    "a file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp": "ftp://shop.example/",
    "data": "data:text/plain,hello",
    "javascript": "javascript:alert(1)",
    "no label": "http://shop..example/",
    "a label that is too long": f"http://{'a' * 64}.example/",
    "a host that is too long": f"http://{'a.' * 130}example/",
    "no label's characters": "http://shop_!.example/",
    "a soft hyphen alone": "http://\u00ad/",
    "too long": f"https://shop.example/{'a' * LONGEST}",
    "too long when escaped": f"https://shop.example/{'ä' * 500}",
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_a_disguise_is_refused_with_a_sentence(kind: str):
    with pytest.raises(ForbiddenUrlError) as caught:
        policy().judge(FORBIDDEN[kind])
    assert caught.value.detail.endswith(".")
    assert caught.value.status == 422


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.builds("http://{}/".format, st.text(max_size=30)))
def test_whatever_is_sent_is_judged_or_refused(text: str):
    try:
        target = parse_url(text)
    except ForbiddenUrlError:
        return
    assert target.url.isascii()
    assert parse_url(target.url) == target


def test_the_operator_allows_hosts_networks_and_ports():
    open_ = policy(outbound_allow="localhost, 10.1.0.0/16,::1", outbound_ports="80,8000-8999")
    assert open_.judge("http://localhost:8080/").host == "localhost"
    assert open_.judge("http://10.1.2.3/").host == "10.1.2.3"
    assert open_.judge("http://[::1]:8999/").authority == "[::1]:8999"
    assert open_.judge("http://[::ffff:10.1.2.3]/").port == 80
    for url in ("http://10.2.0.1/", "http://a.localhost/", "http://localhost:9000/"):
        with pytest.raises(ForbiddenUrlError):
            open_.judge(url)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "fe80::x", "10.0.0.0/33"])
def test_a_network_that_is_none_is_named(entry: str):
    with pytest.raises(InvalidSettingError, match="PACKSHOT_OUTBOUND_ALLOW"):
        policy(outbound_allow=entry)
