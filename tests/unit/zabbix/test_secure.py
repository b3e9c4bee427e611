"""TLS as the configuration says, or a sentence that says what is missing."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from concierge_backends.zabbix import secure
from concierge_proto import errors, settings


def own(**given: Any) -> settings.Zabbix:
    return settings.parse({"monitoring": {"zabbix": given}}, "test").monitoring.zabbix


def test_without_a_ca_there_is_no_tls() -> None:
    assert secure.context(own()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ca_file": "/nowhere/ca.pem"}, r"cannot use /nowhere/ca\.pem: .*No such file"),
        ({"cert_file": "/nowhere/cert.pem"}, "cert_file needs ca_file"),
        ({"psk_identity": "one"}, "psk_identity and psk_file together"),
        ({"psk_identity": "one", "psk_file": "/x", "ca_file": "/y"}, "and no ca_file"),
        ({"psk_identity": "one", "psk_file": "/nowhere/psk"}, "/nowhere/psk"),
    ],
)
def test_what_cannot_work_is_said_at_once(given: dict[str, str], said: str) -> None:
    with pytest.raises(errors.Permanent, match=said):
        secure.context(own(**given))


def test_a_key_that_is_not_hexadecimal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("no key\n")
    with pytest.raises(errors.Permanent, match="holds no hexadecimal key"):
        secure.context(own(psk_identity="one", psk_file=str(tmp_path / "psk")))


def test_a_shared_key_needs_a_python_that_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psk").write_text("00ff" * 8)
    monkeypatch.delattr(ssl.SSLContext, "set_psk_client_callback", raising=False)
    with pytest.raises(errors.Permanent, match=r"from 3\.13 on: use 3\.13, or certificates"):
        secure.context(own(psk_identity="one", psk_file=str(tmp_path / "psk")))


def test_a_shared_key_is_given_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psk").write_text("00ff" * 8)
    installed: list[Any] = []
    monkeypatch.setattr(
        ssl.SSLContext, "set_psk_client_callback", lambda _, call: installed.append(call), raising=False
    )
    assert secure.context(own(psk_identity="one", psk_file=str(tmp_path / "psk")))
    assert installed[0](None) == ("one", bytes.fromhex("00ff" * 8))
