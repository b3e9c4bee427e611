"""The name of one metric in configurations: `KIND[NAME,FIELD]`, as in `timer[com.example.Shop.checkout,p95]`."""

import re
from typing import NamedTuple

from concierge_proto import errors

_FORM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[(.+),\s*([^,\[\]]+)\]")


class Metric(NamedTuple):
    """One column of one row of a block."""

    kind: str
    name: str
    field: str

    def __str__(self) -> str:
        return f"{self.kind}[{self.name},{self.field}]"


def parse(text: str) -> Metric:
    """Return the metric that `text` names; raise Malformed. The name may hold commas, the field may not."""
    match = _FORM.fullmatch(text.strip())
    found = Metric(match[1], match[2].strip(), match[3].strip()) if match else None
    if found is None or not all(found):
        raise errors.Malformed(f"metric {text!r}: write KIND[NAME,FIELD], e.g. gauge[load,value]")
    return found
