"""Makes the pictures of zabbix.md again: `python -m docs.screenshots [FOLDER]`.

The shop of compose/shop runs for five minutes under a real Zabbix; then Chromium looks at its front end.
Needs what the tests on real servers need (tests/peers), and `chromium` on the PATH.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from concierge_backends.zabbix import api
from docs import chromium
from tests import shop

IMAGES = Path(__file__).parent / "images"
SERVICE = "web"
STORY = ((0.5, 45), (1.2, 60), (2.1, 60), (0.35, 110))
"""Offered load, and for how many seconds: one instance, two, three, and one less again."""
LINES = (("Instances running", "F57C00", 2, 0, 1), ("load value: avg of all instances", "0275B8", 0, 1, 0))
"""Of the graph: an item's name, its colour, 2 a staircase or 0 a line, the axis at the left 0 or right 1, how filled."""
SVG = "document.querySelector('.svg-graph path')"
TIDY = "document.querySelectorAll('.msg-bad, .btn-dashboard-normal').forEach(one => one.remove())"
"""The machine of the tests has no locale en_US, of which the front end complains on every page."""


class Picture(NamedTuple):
    """One page of the front end."""

    name: str
    page: str
    size: chromium.Size
    ready: str = "true"


def main(words: list[str]) -> int:
    folder = Path(words[0] if words else IMAGES).resolve()
    if not shutil.which("chromium"):
        print("no chromium on the PATH: apt-get install chromium", file=sys.stderr)  # noqa: T201 - a command
        return 1
    if "PEER_ZABBIX_API" not in os.environ:
        peers = (sys.executable, "-m", "tests.peers", "run", "docker", "zabbix", "--require", "--")
        return subprocess.run(
            [*peers, sys.executable, "-m", "docs.screenshots", str(folder)], check=False
        ).returncode
    asyncio.run(make(folder))
    return 0


async def make(folder: Path) -> None:
    """Play the story and take the pictures of it."""
    server = shop.zabbix("zabbix")
    login = api.Login(user=server.user, password=server.password)
    with tempfile.TemporaryDirectory(prefix="pictures-") as room:
        scene = shop.prepared(Path(room) / "shop", server, SERVICE)
        await scene.concierge.run("zabbix", "apply")
        async with api.connect(server.api, login) as door, scene.up():
            for offered, seconds in STORY:
                scene.load(offered)
                await asyncio.sleep(seconds)
            await take(server, await pictures(door), folder)


async def pictures(door: api.Api) -> list[Picture]:
    """Return the pages, with the ids that they have today."""
    event = await problem(door)
    latest = {
        "action": "latest.view",
        "hostids[]": await instance(door),
        "subfilter_data[]": 1,
        "filter_set": 1,
    }
    steps = {"action": "dashboard.view", "dashboardid": await dashboard(door), "from": "now-5m", "to": "now"}
    details = {"triggerid": event["objectid"], "eventid": event["eventid"]}
    return [
        Picture("latest", f"zabbix.php?{urlencode(latest)}", chromium.Size(1280, 800)),
        Picture("steps", f"zabbix.php?{urlencode(steps)}", chromium.Size(1280, 430), SVG),
        Picture("problem", f"tr_events.php?{urlencode(details)}", chromium.Size(1400, 440)),
    ]


async def instance(door: api.Api) -> str:
    """Return the host of the instance that has been there longest."""
    found = await door.call("host.get", {"output": ["host"], "sortfield": "hostid", "filter": {"status": 0}})
    return next(str(one["hostid"]) for one in found if not one["host"].startswith("service "))


async def problem(door: api.Api) -> dict[str, Any]:
    """Return the first problem of high load, which has a comment by now."""
    tags = {"tags": [{"tag": "service", "value": SERVICE}], "value": 1, "search": {"name": "High load"}}
    return dict((await door.call("event.get", {"sortfield": "eventid", **tags}))[0])


async def dashboard(door: api.Api) -> str:
    """Make a dashboard with one graph: both lines, and the problems of the service's host behind them."""
    fields: dict[str, object] = {"lefty_min": "0", "righty_min": "0"}
    fields |= {"problemhosts.0": f"service {SERVICE}", "show_problems": 1, "graph_item_problems": 0}
    for number, (item, color, kind, axis, fill) in enumerate(LINES):
        line = {"hosts.0": f"service {SERVICE}", "items.0": item, "color": color, "type": kind}
        line |= {"axisy": axis, "fill": fill, "width": 2}
        fields |= {f"ds.{number}.{name}": value for name, value in line.items()}
    texts = [
        {"type": int(isinstance(value, str)), "name": name, "value": value} for name, value in fields.items()
    ]
    graph = {"type": "svggraph", "name": f"service {SERVICE}", "width": 72, "height": 6, "fields": texts}
    made = await door.call("dashboard.create", {"name": SERVICE, "pages": [{"widgets": [graph]}]})
    return str(made["dashboardids"][0])


async def take(server: shop.Zabbix, wanted: list[Picture], folder: Path) -> None:
    """Log in, look at each page without its menus, and keep what is seen."""
    login = {"name": server.user, "password": server.password, "enter": "Sign in"}
    async with chromium.page() as page:
        await page.show(f"{server.api}/index.php?{urlencode(login)}", chromium.Size(1280, 720))
        for picture in wanted:
            await page.show(f"{server.api}/{picture.page}&kiosk=1", picture.size, picture.ready)
            await page.run(TIDY)
            file = folder / f"{picture.name}.png"
            file.write_bytes(await page.picture())
            print(f"{file}: {file.stat().st_size // 1024} kB")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
