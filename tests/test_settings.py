"""Settings: read in order, every mistake shown together, the same in every process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pintu.kernel.errors import ConfigurationError
from pintu.settings import READERS, Settings, as_plain, from_plain, load_settings


def test_defaults_are_a_city_on_this_machine(tmp_path: Path) -> None:
    """Told nothing, the city listens on loopback port 8800, in Chinese, on the real clock."""
    got = load_settings(tmp_path, {})
    told = (got.host, got.port, got.lang, got.clock, got.tz, got.open, got.demo)
    assert ("127.0.0.1", 8800, "zh-CN", "real", "Asia/Shanghai", False, False) == told


def test_the_later_wins(tmp_path: Path) -> None:
    """The environment overrides pintu.toml, and the command line overrides both."""
    (tmp_path / "pintu.toml").write_text('port = 9001\nlang = "en"\ntemporal_page = 7\n')
    got = load_settings(tmp_path, {"PINTU_PORT": "9002", "PINTU_TEMPORAL_PAGE": "8"}, port=9003)
    assert (9003, "en", 8) == (got.port, got.lang, got.temporal_page)


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    """`PINTU_PORT=` in a unit file is not a port."""
    assert 8800 == load_settings(tmp_path, {"PINTU_PORT": ""}).port


def test_tenants_and_pieces_are_tables(tmp_path: Path) -> None:
    """A tenant may be strict, and a piece's settings are handed on as they are."""
    (tmp_path / "pintu.toml").write_text(
        "[tenants.lamps]\nstrict = true\n[tenants.loose]\nstrict = false\n"
        '[pieces.bins]\nbroker = "mqtt://h:1"\nlevels = [1, 2]\n'
    )
    got = load_settings(tmp_path, {})
    assert frozenset({"lamps"}) == got.strict_tenants
    assert {"bins": {"broker": "mqtt://h:1", "levels": [1, 2]}} == got.piece_settings


def test_every_mistake_is_shown_at_once(tmp_path: Path) -> None:
    """Eight mistakes in three places are eight sentences, each naming its place."""
    (tmp_path / "pintu.toml").write_text(
        'colour = "blue"\ntz = "Mars/Base"\n[tenants.x]\nstrickt = true\n'
    )
    environ = {
        "PINTU_PORT": "99999",
        "PINTU_LANG": "fr",
        "PINTU_TLS_CERT": str(tmp_path / "none.pem"),
        "PINTU_TRUSTED_PROXIES": "10.0.0.0/8,nobody",
        "PINTU_CLOCK": "yesterday",
    }
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, environ)
    named = [
        ("pintu.toml: colour", "is not a setting"),
        ("pintu.toml: tz", "Asia/Shanghai"),
        ("tenants.x", "strict"),
        ("PINTU_PORT", "65000"),
        ("PINTU_LANG", "neither zh-CN nor en"),
        ("PINTU_TLS_CERT", "file"),
        ("PINTU_TRUSTED_PROXIES", "nobody"),
        ("PINTU_CLOCK", "real"),
    ]
    mistakes = caught.value.mistakes
    assert len(named) == len(mistakes), mistakes
    missing = [
        pair for pair in named if not any(all(word in one for word in pair) for one in mistakes)
    ]
    assert [] == missing


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("port = \n", "cannot be read"),
        ("pieces = 3\n", "[pieces.NAME]"),
        ("tenants = 3\n", "table"),
        ("port = true\n", "whole number"),
        ('host = "example.org"\n', "localhost"),
        ('store = "postgresql://x"\n', "postgresql://USER@HOST/DATABASE"),
        ('store = "mysql://x/y"\n', "postgresql://USER@HOST/DATABASE"),
        ('store = "postgresql://u:secret@h:1/d?sslmode=prefer"\n', "verify-full"),
        ('public_url = "ftp://x"\n', "http"),
    ],
)
def test_a_mistake_says_what_would_be_right(tmp_path: Path, text: str, word: str) -> None:
    """A mistake in pintu.toml is one sentence with what to write instead."""
    (tmp_path / "pintu.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, {})
    assert 1 == len(caught.value.mistakes)
    assert word in caught.value.mistakes[0]


def test_open_is_for_this_machine(tmp_path: Path) -> None:
    """--open with an address others can reach is refused."""
    with pytest.raises(ConfigurationError, match="this machine only"):
        load_settings(tmp_path, {"PINTU_HOST": "0.0.0.0"}, open=True)
    assert load_settings(tmp_path, {"PINTU_HOST": "::1"}, open=True).open


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    """One of the two alone is a mistake, not a city without TLS."""
    (tmp_path / "cert.pem").write_text("x")
    with pytest.raises(ConfigurationError, match="belong together"):
        load_settings(tmp_path, {"PINTU_TLS_CERT": str(tmp_path / "cert.pem")})


def test_settings_cross_to_a_child_whole(tmp_path: Path) -> None:
    """What the supervisor writes to a child's stdin is read there as the same settings."""
    for name in ("cert", "key", "token"):
        (tmp_path / name).write_text("x")
    settings = Settings(
        data=tmp_path,
        host="::1",
        port=9000,
        admin_token_file=tmp_path / "token",
        trusted_proxies=("10.0.0.1",),
        egress_allow=("a", "b:1"),
        tls_cert=tmp_path / "cert",
        tls_key=tmp_path / "key",
        demo=True,
        pieces=False,
        seed=3,
        clock="2026-01-01T00:00Z x60",
        strict_tenants=frozenset({"x"}),
        piece_settings={"bins": {"n": 1}},
    )
    assert settings == from_plain(json.loads(json.dumps(as_plain(settings))))


def test_every_setting_read_is_a_setting_kept() -> None:
    """No reader is without a field."""
    assert set() == set(READERS) - set(Settings.__dataclass_fields__)


def test_addresses_are_what_a_browser_takes(tmp_path: Path) -> None:
    """Every interface is reached at loopback, IPv6 in brackets."""
    shown = [Settings(data=tmp_path, host=host).address for host in ("0.0.0.0", "::1", "10.1.2.3")]
    assert ["http://127.0.0.1:8800", "http://[::1]:8800", "http://10.1.2.3:8800"] == shown
