"""Who receives the webhooks: a user that may read our hosts and comment, and cannot log in."""

import secrets
from collections.abc import Iterable

from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.ledger import Doc

NAME = "Concierge"
USER = "concierge"
READ = 2
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
FORBIDDEN = (
    "acknowledge_problems",
    "change_severity",
    "close_problems",
    "edit_dashboards",
    "edit_maps",
    "execute_scripts",
    "manage_api_tokens",
)
FORBIDDEN_SEVEN = ("change_problem_ranking", "invoke_execute_now", "suppress_problems")

ROLE = ledger.Kind("role", "role", "roleid", "name")
GROUP = ledger.Kind("user group", "usergroup", "usrgrpid", "name")
PERSON = ledger.Kind("user", "user", "userid", "username", fixed=("passwd",))


def role(*, seven: bool) -> Doc:
    """Every action is listed: `default_access` does not switch the others off."""
    refused = FORBIDDEN + (FORBIDDEN_SEVEN if seven else ())
    return {
        "name": NAME,
        "type": 1,
        "rules": {
            "ui": [{"name": "monitoring.problems", "status": 1}],
            "ui.default_access": 0,
            "modules.default_access": 0,
            "services.read.mode": 0,
            "services.write.mode": 0,
            "api.access": 1,
            "api.mode": 1,
            "api": [*METHODS, "history.push"] if seven else list(METHODS),
            "actions": [{"name": "add_problem_comments", "status": 1}]
            + [{"name": name, "status": 0} for name in refused],
            "actions.default_access": 0,
        },
    }


def group(host_groups: Iterable[str], *, seven: bool) -> Doc:
    rights = [{"permission": READ, "id": number} for number in host_groups]
    return {"name": NAME, "gui_access": 3, "hostgroup_rights" if seven else "rights": rights}


def user(role_id: str, group_id: str, media_id: str) -> Doc:
    medium = {"mediatypeid": media_id, "sendto": "gateway", "active": 0, "severity": 63}
    return {
        "username": USER,
        "passwd": secrets.token_urlsafe(32),
        "roleid": role_id,
        "usrgrps": [{"usrgrpid": group_id}],
        "medias": [medium | {"period": "1-7,00:00-24:00"}],
        "timezone": "UTC",  # in which the webhook's times are written
    }


async def settle(book: ledger.Ledger, host_groups: Iterable[str], media_id: str) -> str:
    """Make role, user group and user; return the id of the last."""
    role_doc = role(seven=book.seven)
    found = await book.find("role.get", {"filter": {"name": [NAME]}, "selectRules": "extend"})
    roles = await book.settle(ROLE, [role_doc], [_narrow(doc, role_doc) for doc in found])
    rights = "selectHostGroupRights" if book.seven else "selectRights"
    found = await book.find("usergroup.get", {"filter": {"name": [NAME]}, rights: "extend"})
    groups = await book.settle(GROUP, [group(host_groups, seven=book.seven)], found)
    wanted = user(roles[NAME], groups[NAME], media_id)
    params = {"filter": {"username": [USER]}, "selectUsrgrps": ["usrgrpid"], "selectMedias": "extend"}
    users = await book.settle(PERSON, [wanted], await book.find("user.get", params))
    return users[USER]


def _narrow(found: Doc, wanted: Doc) -> Doc:
    """The API returns every page there is; only those we name are ours to judge, since nobody logs in."""
    pages = {rule["name"] for rule in wanted["rules"]["ui"]}
    rules = found["rules"]
    return {**found, "rules": {**rules, "ui": [rule for rule in rules["ui"] if rule["name"] in pages]}}
