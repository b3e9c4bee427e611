"""Who is believed, and what a stranger is told."""

import base64
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import answers, authenticate
from concierge_proto import errors, settings, signature

NOW = 1_800_000_000
OLD, NEW = b"the first key, long enough", b"the second key, long enough"
BODY = b'{"event_id": "1"}'


def refusal(guard: authenticate.Guard, headers: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(answers.Refusal) as caught:
        guard.check(headers, body, NOW)
    assert caught.value.status == 401
    return str(caught.value)


class TestSignature:
    guard = authenticate.Guard([OLD, NEW], [], 300)

    def test_every_active_key_is_believed(self) -> None:
        for key in (OLD, NEW):
            self.guard.check(signature.headers(key, "m", NOW, BODY), BODY, NOW)

    def test_a_retired_key_is_not(self) -> None:
        rotated = authenticate.Guard([NEW], [], 300)
        assert "none of the active keys" in refusal(rotated, signature.headers(OLD, "m", NOW, BODY))

    def test_another_body(self) -> None:
        assert "none of the active" in refusal(
            self.guard, signature.headers(OLD, "m", NOW, BODY), BODY + b" "
        )

    @pytest.mark.parametrize("drift", [-301, 301, -(10**9)])
    def test_too_old_or_too_new(self, drift: int) -> None:
        found = refusal(self.guard, signature.headers(OLD, "m", NOW + drift, BODY))
        assert f"{abs(drift)} s off, 300 s are allowed" in found

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_missing_header_is_named(self, name: str) -> None:
        headers = signature.headers(OLD, "m", NOW, BODY)
        del headers[name]
        assert refusal(self.guard, headers) == f"header {name} is missing"

    @given(st.text(), st.text(), st.text())
    def test_garbage_is_a_refusal(self, name: str, stamp: str, sign: str) -> None:
        refusal(self.guard, {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": sign})

    def test_the_standard_library_signs_as_we_check(self) -> None:
        secret = "whsec_" + base64.b64encode(OLD).decode()
        now = time.time()
        signer = standardwebhooks.Webhook(secret)

        sign = signer.sign("m", datetime.fromtimestamp(int(now), UTC), BODY.decode())
        headers = {"webhook-id": "m", "webhook-timestamp": str(int(now)), "webhook-signature": sign}
        authenticate.Guard([signature.key_of(secret)], [], 300).check(headers, BODY, now)


class TestToken:
    guard = authenticate.Guard([], ["first", "second"], 300)

    @pytest.mark.parametrize("header", ["Bearer first", "bearer second", "BEARER  first "])
    def test_every_active_token_is_believed(self, header: str) -> None:
        self.guard.check({"authorization": header}, BODY, NOW)

    @pytest.mark.parametrize(
        "header", ["Bearer third", "Bearer ", "Bearer firs", "Bearer firstt", "Bearer fïrst"]
    )
    def test_another_token(self, header: str) -> None:
        assert "none of the active ones" in refusal(self.guard, {"authorization": header})

    def test_no_token(self) -> None:
        assert refusal(self.guard, {}) == "header authorization is missing"
        assert "no bearer token" in refusal(self.guard, {"authorization": "Basic Zm9vOmJhcg=="})

    def test_the_sentence_does_not_repeat_what_was_tried(self) -> None:
        assert "hunter2" not in refusal(self.guard, {"authorization": "Bearer hunter2"})


class TestBoth:
    guard = authenticate.Guard([OLD], ["token"], 300)

    def test_either_will_do(self) -> None:
        self.guard.check({"authorization": "Bearer token"}, BODY, NOW)
        self.guard.check(signature.headers(OLD, "m", NOW, BODY), BODY, NOW)

    def test_a_wrong_signature_is_not_saved_by_silence(self) -> None:
        headers = signature.headers(NEW, "m", NOW, BODY)
        assert "none of the active keys" in refusal(self.guard, headers)

    def test_neither(self) -> None:
        assert refusal(self.guard, {}) == "header authorization is missing, and so is webhook-signature"


class TestSettings:
    def test_secrets_come_from_files(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("one-key-and\nanother-key\n")
        guard = authenticate.guard("zbx", settings.Source(kind="zabbix", secret_file=str(file)))
        guard.check(signature.headers(b"another-key", "m", NOW, BODY), BODY, NOW)

    def test_and_from_the_caller(self) -> None:
        guard = authenticate.guard("own", settings.Source(kind="generic"), ["a-key"])
        guard.check(signature.headers(b"a-key", "m", NOW, BODY), BODY, NOW)

    def test_an_unreadable_file_is_named_with_its_setting(self, tmp_path: Path) -> None:
        source = settings.Source(kind="zabbix", secret_file=str(tmp_path / "none"))
        with pytest.raises(
            errors.Permanent, match=r"^gateway\.sources\.zbx\.secret_file: cannot read .*none"
        ):
            authenticate.guard("zbx", source)
        source = settings.Source(kind="zabbix", token_file=str(tmp_path / "none"))
        with pytest.raises(errors.Permanent, match=r"^gateway\.sources\.zbx\.token_file: cannot read"):
            authenticate.guard("zbx", source)

    def test_nobody_is_believed_without_a_secret(self) -> None:
        with pytest.raises(errors.Permanent, match=r"^gateway\.sources\.zbx: set secret_file"):
            authenticate.guard("zbx", settings.Source(kind="zabbix"))

    def test_a_secret_that_is_no_base64(self) -> None:
        with pytest.raises(errors.Permanent, match=r"^gateway\.sources\.zbx\.secret_file: .*base64"):
            authenticate.guard("zbx", settings.Source(kind="zabbix"), ["whsec_!"])
