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
NAMES, VALUES = 2000, 17
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
    """Return summaries: 15 quantiles, sum and count a name."""
    lines = ["# HELP shop_call_seconds How long a call took.", "# TYPE shop_call_seconds summary"]
    for number in range(names):
        labels = f'method="GET",outcome="SUCCESS",uri="/{_title(number)}"'
        lines += [
            f'shop_call_seconds{{{labels},quantile="{at / 16:g}"}} {chance.random()}' for at in range(1, 16)
        ]
        lines.append(f"shop_call_seconds_sum{{{labels}}} {chance.random() * 1000}")
        lines.append(f"shop_call_seconds_count{{{labels}}} {chance.randrange(10**6)}")
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
