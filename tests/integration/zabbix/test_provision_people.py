"""The identities on real servers: each can what it must, and cannot what it must not."""

import json
import secrets
import stat
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import api, names, packets, provision, trapper
from concierge_backends.zabbix.keeper import census, enrol, retire
from concierge_backends.zabbix.provision import people
from concierge_proto import errors, settings
from tests.integration.zabbix.conftest import SECRET, Server, Until

REFUSED = r"No permissions|no permissions|does not exist|Not authori[sz]ed"
As = Callable[[str], AbstractAsyncContextManager[api.Api]]


@pytest.fixture
def tokens(config: settings.Settings, tmp_path: Path) -> settings.Settings:
    """The configuration with two token files that do not exist yet."""
    own = msgspec.structs.replace(
        config.monitoring.zabbix,
        api_token_file=str(tmp_path / "runtime"),
        keeper_token_file=str(tmp_path / "keeper"),
    )
    monitoring = msgspec.structs.replace(config.monitoring, zabbix=own)
    return msgspec.structs.replace(config, monitoring=monitoring)


@pytest.fixture
async def applied(server: Server, tokens: settings.Settings) -> list[provision.Change]:
    return await apply(server, tokens)


async def apply(server: Server, config: settings.Settings) -> list[provision.Change]:
    return await provision.apply(
        config, user=server.login.user, password=server.login.password, gateway_url="http://g", secret=SECRET
    )


@pytest.fixture
def acting(server: Server, tmp_path: Path, applied: object) -> As:
    """A session with the token of a file."""
    return lambda name: api.connect(server.url, api.Login(token=(tmp_path / name).read_text().strip()))


async def test_tokens_are_written_once_for_us_alone_and_shown_to_nobody(
    applied: list[provision.Change], server: Server, tokens: settings.Settings, tmp_path: Path
) -> None:
    found = {name: (tmp_path / name).read_text() for name in ("runtime", "keeper")}
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in found} == {0o600}
    assert not any(token.strip() in repr(applied) for token in found.values())
    again = await apply(server, tokens)
    assert [change for change in again if change.change != "none"] == []
    (tmp_path / "keeper").write_text("0" * 64)
    changed = [change for change in await apply(server, tokens) if change.change != "none"]
    assert [(one.change, one.kind) for one in changed] == [("update", "token")]
    assert (tmp_path / "keeper").read_text() not in {found["keeper"], "0" * 64}
    assert (tmp_path / "runtime").read_text() == found["runtime"]


async def test_what_keeps_our_user_out_is_taken_away(
    applied: object, server: Server, door: api.Api, tokens: settings.Settings
) -> None:
    """A token that is switched off and expired, a user group that is disabled: each by itself refuses every token."""
    (user,) = await door.call("user.get", {"filter": {"username": [people.USER]}})
    (token,) = await door.call("token.get", {"userids": [user["userid"]], "filter": {"name": [people.NAME]}})
    await door.call("token.update", {"tokenid": token["tokenid"], "status": 1, "expires_at": 1_600_000_000})
    (group,) = await door.call("usergroup.get", {"filter": {"name": [people.NAME]}})
    await door.call("usergroup.update", {"usrgrpid": group["usrgrpid"], "users_status": 1})
    assert {change.kind for change in await apply(server, tokens) if change.change != "none"} == {
        "token",
        "user group",
    }
    assert {change.change for change in await apply(server, tokens)} == {"none"}


async def test_a_medium_that_an_administrator_added_stays(
    applied: object, server: Server, door: api.Api, tokens: settings.Settings
) -> None:
    question = {"filter": {"username": [people.USER]}, "selectMedias": "extend"}
    (user,) = await door.call("user.get", question)
    fields = ("mediatypeid", "sendto", "active", "severity", "period")
    (ours,) = [{field: medium[field] for field in fields} for medium in user["medias"]]
    (mail,) = await door.call("mediatype.get", {"filter": {"type": 0}, "limit": 1})
    theirs = {**ours, "mediatypeid": mail["mediatypeid"], "sendto": ["desk@example.com"]}
    medias = [{**ours, "active": 1}, theirs]
    await door.call("user.update", {"userid": user["userid"], "medias": medias})
    await apply(server, tokens)
    (user,) = await door.call("user.get", question)
    found = {one["mediatypeid"]: (one["sendto"], one["active"]) for one in user["medias"]}
    await door.call("user.update", {"userid": user["userid"], "medias": [ours]})
    assert found == {
        ours["mediatypeid"]: ("gateway", "0"),
        mail["mediatypeid"]: (["desk@example.com"], "0"),
    }
    assert len(user["medias"]) == 2


@pytest.fixture
async def boss(door: api.Api) -> AsyncIterator[api.Login]:
    """An administrator who is no super admin: role 2 of a new Zabbix."""
    name, password = f"boss-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    doc = {"username": name, "passwd": password, "roleid": "2", "usrgrps": [{"usrgrpid": "7"}]}
    made = await door.call("user.create", doc)
    yield api.Login(user=name, password=password)
    await door.call("user.delete", made["userids"])


async def test_who_is_shown_a_part_only_is_told_so(boss: api.Login, config: settings.Settings) -> None:
    """A plan would make again what is there, a back-up be empty."""
    for work in (
        provision.apply(
            config,
            user=boss.user,
            password=boss.password,
            gateway_url="http://g",
            secret=SECRET,
            dry_run=True,
        ),
        provision.destroy(config, login=boss),
        provision.export(config, login=boss),
    ):
        with pytest.raises(errors.Permanent, match="Super admin"):
            await work


@pytest.mark.parametrize("server", ["PEER_ZABBIX"], indirect=True)
async def test_a_token_that_cannot_be_kept_is_not_made(server: Server, config: settings.Settings) -> None:
    own = msgspec.structs.replace(config.monitoring.zabbix, keeper_token_file="/nowhere/keeper")
    monitoring = msgspec.structs.replace(config.monitoring, zabbix=own)
    with pytest.raises(errors.Permanent, match=r"/nowhere/keeper: .*make the folder"):
        await apply(server, msgspec.structs.replace(config, monitoring=monitoring))


async def test_the_tokens_of_one_server_are_not_overwritten_with_those_of_another(
    applied: object, server: Server, tokens: settings.Settings, tmp_path: Path
) -> None:
    own = msgspec.structs.replace(tokens.monitoring.zabbix, api_url="http://another.example/zabbix")
    elsewhere = msgspec.structs.replace(
        tokens, monitoring=msgspec.structs.replace(tokens.monitoring, zabbix=own)
    )

    async def reached() -> list[provision.Change]:
        given: dict[str, Any] = {
            "user": server.login.user,
            "password": server.login.password,
            "secret": SECRET,
        }
        return await provision.apply(elsewhere, url=server.url, gateway_url="http://g", dry_run=True, **given)

    assert not [one for one in await reached() if one.kind == "token" and one.change != "none"]
    (tmp_path / "runtime").write_text("of the other")
    with pytest.raises(
        errors.Permanent, match=r"runtime holds a token that .* refuses, and .*another\.example"
    ):
        await reached()


async def test_at_run_time_it_reads_and_comments_and_changes_nothing(
    acting: As, config: settings.Settings, service: str, until: Until
) -> None:
    host = names.service_host(config, service)
    async with acting("runtime") as us:
        (found,) = await us.call("host.get", {"filter": {"host": [host]}, "output": ["hostid"]})
        if us.seven:
            value = {"host": host, "key": names.HEARD, "value": "1"}

            async def pushed() -> bool:
                (answer,) = (await us.call("history.push", [value]))["data"]
                return "error" not in answer

            await until(pushed)  # the server does not know the item before its next look at the database
        for method, params in (
            ("host.update", {"hostid": found["hostid"], "status": 1}),
            ("host.delete", [found["hostid"]]),
            ("trigger.update", []),
            ("configuration.export", {"format": "json", "options": {"hosts": [found["hostid"]]}}),
            ("user.get", {}),
            ("usermacro.get", {"globalmacro": True}),
            ("token.create", {"name": "more"}),
        ):
            with pytest.raises(errors.Permanent, match="No permissions to call"):
                await us.call(method, params)
        assert await us.call("host.get", {"filter": {"host": ["Zabbix server"]}}) == []


async def test_at_run_time_a_problem_is_commented_and_nothing_else(
    acting: As, server: Server, door: api.Api, config: settings.Settings, service: str, until: Until
) -> None:
    host = names.instance_host(config, service, "one")
    await enrol.enrol(door, config, [enrol.Arrival(host, service, "boot")])
    port = trapper.Trapper([server.trapper], 5)
    async with acting("runtime") as us:

        async def failing() -> Any:
            await port.deliver(host, [packets.row(host, names.ELAPSED, -1, time.time_ns())])
            return await us.call("problem.get", {"tags": [{"tag": "service", "value": service}]})

        (problem,) = await until(failing)
        said = {"eventids": [problem["eventid"]], "message": "from 1 to 2"}
        await us.call("event.acknowledge", said | {"action": 4})
        for action in (1, 2, 8):
            with pytest.raises(errors.Permanent, match=r"refused event\.acknowledge"):
                await us.call("event.acknowledge", said | {"action": 4 | action, "severity": 5})
        select = "selectAcknowledges" if us.seven else "select_acknowledges"
        asked = {"eventids": [problem["eventid"]], select: "extend"}
        (event,) = await us.call("event.get", asked)
        assert [one["message"] for one in event["acknowledges"]] == ["from 1 to 2"]


@pytest.fixture
async def elsewhere(door: api.Api) -> AsyncIterator[str]:
    """A host group that is not ours."""
    (made,) = (await door.call("hostgroup.create", {"name": f"theirs {secrets.token_hex(4)}"}))["groupids"]
    yield made
    await door.call("hostgroup.delete", [made])


async def test_the_host_keeper_keeps_the_hosts_of_our_groups_alone(
    acting: As, door: api.Api, config: settings.Settings, service: str, elsewhere: str
) -> None:
    host = names.instance_host(config, service, "one")
    async with acting("keeper") as us:
        (group,) = await us.call("hostgroup.get", {"filter": {"name": [names.host_group(config, service)]}})
        (template,) = await us.call("template.get", {"filter": {"host": [names.instance_template(service)]}})
        doc = {"host": host, "groups": [{"groupid": group["groupid"]}]}
        templates = {"templates": [{"templateid": template["templateid"]}]}
        (made,) = (await us.call("host.create", doc | templates))["hostids"]
        await us.call("host.update", {"hostid": made, "status": 1})
        (told,) = await door.call("host.get", {"filter": {"host": [names.service_host(config, service)]}})
        for method, params in (
            ("host.create", {"host": f"{host}2", "groups": [{"groupid": elsewhere}]}),
            ("host.update", {"hostid": made, "groups": [{"groupid": elsewhere}]}),
            ("host.update", {"hostid": told["hostid"], "status": 1}),
            ("host.delete", [told["hostid"]]),
            ("template.delete", [template["templateid"]]),
            ("hostgroup.create", {"name": "more"}),
            ("user.create", {"username": "more"}),
            ("action.create", {"name": "more"}),
            ("mediatype.get", {}),
        ):
            with pytest.raises(errors.Permanent, match=REFUSED):
                await us.call(method, params)
        assert (await us.call("host.delete", [made]))["hostids"] == [made]


async def test_the_host_keeper_s_whole_work_needs_no_more_rights(
    acting: As, server: Server, door: api.Api, config: settings.Settings, service: str, until: Until
) -> None:
    host = names.instance_host(config, service, "one")
    port = trapper.Trapper([server.trapper], 5)

    async def failing() -> Any:
        await port.deliver(host, [packets.row(host, names.ELAPSED, -1, time.time_ns())])
        return await door.call("problem.get", {"hostids": [found.id], "output": ["name"]})

    async with acting("keeper") as us:
        enrolled = await enrol.enrol(us, config, [enrol.Arrival(host, service, "boot")])
        assert enrolled.made == [host]
        found = (await census.named(us, [host]))[host]
        (problem,) = await until(failing)
        assert problem["name"] == "Delivery of metrics fails"
        assert await retire.retire(us, config, [retire.End(host, time.time(), "exit code 1")]) == [host]

        async def closed() -> bool:
            return not await door.call("problem.get", {"hostids": [found.id]})

        await until(closed)
        assert await retire.remove(us, config, time.time() + 60) >= 1, "other tests may have left one"
    assert await door.call("host.get", {"hostids": [found.id]}) == []


async def test_zabbix_allows_no_action_that_was_not_meant(applied: object, door: api.Api) -> None:
    for who in people.ALL:
        (found,) = await door.call("role.get", {"filter": {"name": [who.name]}, "selectRules": "extend"})
        allowed = {rule["name"] for rule in found["rules"]["actions"] if rule["status"] == "1"}
        assert allowed == set(who.allowed)


async def test_the_provisioner_s_session_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, server: Server, config: settings.Settings
) -> None:
    sessions: list[str] = []
    logout = api._logout

    def noted(session: Any, url: str) -> None:
        sessions.append(session._ZabbixAPI__session_id)
        logout(session, url)

    monkeypatch.setattr(api, "_logout", noted)
    await apply(server, config)
    assert sessions
    for session in sessions:
        question = {"jsonrpc": "2.0", "method": "user.checkAuthentication", "id": 1}
        body = json.dumps({**question, "params": {"sessionid": session}}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{server.url}/api_jsonrpc.php", body, {"Content-Type": "application/json-rpc"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: ASYNC210, S310
            assert "error" in json.load(answer)
