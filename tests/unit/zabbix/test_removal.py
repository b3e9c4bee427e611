"""What is in use by others can't be deleted, and says whose turn it is."""

from typing import Any

import pytest

from concierge_backends.zabbix.provision import ledger, removal
from concierge_proto import errors


class Door:
    """A server whose one media type is refused in these words."""

    seven = True

    def __init__(self, words: str) -> None:
        self.words = words

    async def call(self, method: str, params: Any) -> Any:
        if method == "mediatype.get":
            return [{"mediatypeid": "7", "name": params["filter"]["name"][0]}]
        if method == "mediatype.delete":
            raise errors.Permanent(f"Zabbix refused {method}: {self.words}")
        return []


async def test_somebody_elses_action_is_named_with_what_to_do() -> None:
    book = ledger.Ledger(Door('Media types used by action "ops: page".'), dry_run=False)
    with pytest.raises(
        errors.Permanent, match=r'"ops: page".*take our media type out of it, then run destroy'
    ):
        await removal.everything(book)


async def test_another_refusal_stays_as_it_is() -> None:
    book = ledger.Ledger(Door("No permissions."), dry_run=False)
    with pytest.raises(errors.Permanent, match=r"No permissions\.$"):
        await removal.everything(book)
