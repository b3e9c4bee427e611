"""What there is to read: 17 values a name, as Dropwizard's JSON and as Prometheus's text."""

import json
import random
from collections.abc import Callable
from pathlib import Path

SPREAD = ("max", "mean", "min", "p50", "p75", "p95", "p98", "p99", "p999", "stddev", "sum")
RATES = ("m15_rate", "m1_rate", "m5_rate", "mean_rate")
TIMER = ("count", *SPREAD, *RATES)
"""A timer has 16 values that are numbers; the counter of the same name is the seventeenth."""
WITH_ITEMS = TIMER[:11]
"""Fields that have an item in Zabbix: 11 of 17, so 22,000 of 34,000."""
CALL = "shop_call_seconds"
QUANTILES = ("0.5", "0.75", "0.95", "0.98", "0.99", "0.999")
GAUGES = ("max", "mean", "min", "stddev", *RATES, "active")
NAMES = 2000
VARIANTS = 4


def dropwizard(names: int, chance: random.Random) -> str:
    """Return the JSON of a MetricsServlet."""
    titles = [_title(number) for number in range(names)]
    units = {"duration_units": "seconds", "rate_units": "calls/second"}
    timers = {
        title: {"count": chance.randrange(10**6), **{field: chance.random() for field in TIMER[1:]}, **units}
        for title in titles
    }
    counters = {title: {"count": chance.randrange(10**6)} for title in titles}
    return json.dumps(
        {
            "version": "4.0.0",
            "gauges": {},
            "counters": counters,
            "histograms": {},
            "meters": {},
            "timers": timers,
        }
    )


def prometheus(names: int, chance: random.Random) -> str:
    """Return the same 17 values a name: a summary has 8 of them, 9 are gauges of their own."""
    labels = [f'method="GET",outcome="SUCCESS",uri="/{_title(number)}"' for number in range(names)]
    lines = [f"# HELP {CALL} How long a call took.", f"# TYPE {CALL} summary"]
    for one in labels:
        lines += [f'{CALL}{{{one},quantile="{quantile}"}} {chance.random()}' for quantile in QUANTILES]
        lines.append(f"{CALL}_sum{{{one}}} {chance.random() * 1000}")
        lines.append(f"{CALL}_count{{{one}}} {chance.randrange(10**6)}")
    for gauge in GAUGES:
        lines += [f"# HELP {CALL}_{gauge} Of the calls.", f"# TYPE {CALL}_{gauge} gauge"]
        lines += [f"{CALL}_{gauge}{{{one}}} {chance.random()}" for one in labels]
    return "\n".join(lines) + "\n"


class Changing:
    """A file whose numbers change with each `turn`, as those of an application that works."""

    def __init__(self, path: Path, write: Callable[[int, random.Random], str], names: int) -> None:
        self._path = path
        chance = random.Random(2017)  # noqa: S311 - not a secret
        self._bodies = [write(names, chance) for _ in range(VARIANTS)]
        self._at = 0
        self.turn()

    def turn(self) -> None:
        """Put the next numbers in place, at once."""
        fresh = self._path.with_suffix(".fresh")
        fresh.write_text(self._bodies[self._at % VARIANTS])
        fresh.replace(self._path)
        self._at += 1


def _title(number: int) -> str:
    return f"com.example.shop.Service{number:04}.call"
