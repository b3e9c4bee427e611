"""Who acts in Zabbix when nobody is there: each may what it must, and cannot log in.

The provisioner is the administrator who runs `apply`: a session that ends with it, kept nowhere. `RUNTIME` reads,
comments and, on 7.0, pushes values; it receives the webhooks too, so Zabbix spares us our own comments. `KEEPER`
makes and removes the hosts of instances, and writes to our host groups alone.
"""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

from concierge_backends.zabbix.provision import groups, ledger, ours
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import document

NAME = "Concierge"
USER = "concierge"
READ, WRITE = 2, 3
METHODS = (
    "event.acknowledge",
    "event.get",
    "history.get",
    "host.get",
    "hostgroup.get",
    "item.get",
    "problem.get",
    "trigger.get",
)
KEEPER_METHODS = (
    "event.acknowledge",
    "host.create",
    "host.delete",
    "host.get",
    "host.update",
    "hostgroup.get",
    "problem.get",
    "template.get",
    "trigger.get",
)
ACTIONS = (
    "acknowledge_problems",
    "add_problem_comments",
    "change_severity",
    "close_problems",
    "edit_dashboards",
    "edit_maps",
    "execute_scripts",
    "manage_api_tokens",
)
ACTIONS_SEVEN = ("change_problem_ranking", "invoke_execute_now", "suppress_problems")
ACTIONS_ADMIN = ("edit_maintenance", "manage_scheduled_reports", "manage_sla")

ROLE = ledger.Kind("role", "role", "roleid", "name")
RIGHTS = ("rights", "hostgroup_rights", "templategroup_rights")
"""Of a user group; those on groups that are not in the configuration stay."""
GROUP = ledger.Kind("user group", "usergroup", "usrgrpid", "name", shared=RIGHTS)
PERSON = ledger.Kind("user", "user", "userid", "username", fixed=("passwd",), shared=("medias",))


class Identity(NamedTuple):
    """Somebody with a role, a user group and a token of its own."""

    name: str
    """Of its role and its user group."""
    user: str
    type: int
    """1 user, 2 admin."""
    methods: tuple[str, ...]
    """Of the API, and no others; on 7.0 also `methods_seven`."""
    methods_seven: tuple[str, ...]
    allowed: tuple[str, ...]
    """What it may do about problems."""
    permission: int
    """On our host groups."""


RUNTIME = Identity(NAME, USER, 1, METHODS, ("history.push",), ("add_problem_comments",), READ)
KEEPER = Identity(
    "Concierge host keeper",
    "concierge-keeper",
    2,
    KEEPER_METHODS,
    (),
    ("add_problem_comments", "close_problems"),
    WRITE,
)
ALL = (RUNTIME, KEEPER)


def role(who: Identity, *, seven: bool) -> Doc:
    """Every action is listed: `default_access` does not switch the others off."""
    actions = ACTIONS + (ACTIONS_SEVEN if seven else ()) + (ACTIONS_ADMIN if who.type > 1 else ())
    return {
        "name": who.name,
        "type": who.type,
        "rules": {
            "ui": [{"name": "monitoring.problems", "status": 1}],
            "ui.default_access": 0,
            "modules.default_access": 0,
            "services.read.mode": 0,
            "services.write.mode": 0,
            "api.access": 1,
            "api.mode": 1,
            "api": [*who.methods, *(who.methods_seven if seven else ())],
            "actions": [{"name": name, "status": int(name in who.allowed)} for name in actions],
            "actions.default_access": 0,
        },
    }


def group(who: Identity, host_groups: Iterable[str], template_group: str, *, seven: bool) -> Doc:
    """Return its user group. Whoever makes hosts must be able to read the templates they get."""
    rights = [{"permission": who.permission, "id": number} for number in host_groups]
    templates = [{"permission": READ, "id": template_group}] if who is KEEPER else []
    doc: Doc = {"name": who.name, "gui_access": 3, "users_status": 0}
    if seven:
        return doc | {"hostgroup_rights": rights, "templategroup_rights": templates}
    return doc | {"rights": rights + templates}


def user(who: Identity, role_id: str, group_id: str, media_id: str) -> Doc:
    medium = {"mediatypeid": media_id, "sendto": "gateway", "active": 0, "severity": 63}
    return {
        "username": who.user,
        "passwd": secrets.token_urlsafe(32),
        "roleid": role_id,
        "usrgrps": [{"usrgrpid": group_id}],
        "medias": [medium | {"period": "1-7,00:00-24:00"}] if who is RUNTIME else [],
        "timezone": "UTC",  # in which the webhook's times are written
    }


async def settle(
    book: ledger.Ledger, host_groups: dict[str, str], instances: list[str], media_id: str
) -> dict[str, str]:
    """Make roles, user groups and users; return the ids of the last by name. `instances`: groups of the keeper."""
    roles = [role(who, seven=book.seven) for who in ALL]
    found = await book.find(
        "role.get", {"filter": {"name": [who.name for who in ALL]}, "selectRules": "extend"}
    )
    role_ids = await book.settle(ROLE, roles, [_narrow(doc, roles[0]) for doc in found])
    group_ids = await book.settle(GROUP, await _rights(book, host_groups, instances), await _found(book))
    wanted = [user(who, role_ids[who.name], group_ids[who.name], media_id) for who in ALL]
    params = {"filter": {"username": [who.user for who in ALL]}, "selectUsrgrps": ["usrgrpid"]}
    found = await book.find("user.get", params | {"selectMedias": "extend"})
    return await book.settle(PERSON, wanted, found)


async def _rights(book: ledger.Ledger, host_groups: dict[str, str], instances: list[str]) -> list[Doc]:
    """Return the user groups, with rights on what other configurations have made here as well."""
    of_templates = "templategroup" if book.seven else "hostgroup"
    found = await book.find(f"{of_templates}.get", {"filter": {"name": [document.GROUP]}})
    template_group = found[0]["groupid"] if found else ledger.NEW + document.GROUP
    known = {*host_groups, groups.SERVICES, document.GROUP}
    made = await ours.made_groups(book, groups.KIND)
    others = [doc["groupid"] for doc in made if doc["name"] not in known]
    kept = {RUNTIME: host_groups.values(), KEEPER: [host_groups[name] for name in instances]}
    return [group(who, [*kept[who], *others], template_group, seven=book.seven) for who in ALL]


async def _found(book: ledger.Ledger) -> list[Doc]:
    rights = ("HostGroupRights", "TemplateGroupRights") if book.seven else ("Rights",)
    params = {"filter": {"name": [who.name for who in ALL]}} | {f"select{name}": "extend" for name in rights}
    return await book.find("usergroup.get", params)


def _narrow(found: Doc, wanted: Doc) -> Doc:
    """The API returns every page there is; only those we name are ours to judge, since nobody logs in."""
    pages = {rule["name"] for rule in wanted["rules"]["ui"]}
    rules = found["rules"]
    return {**found, "rules": {**rules, "ui": [rule for rule in rules["ui"] if rule["name"] in pages]}}
