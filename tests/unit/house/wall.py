"""Run alone: import all of a package while some modules are out of sight."""

import importlib
import json
import pkgutil
import sys
from importlib.abc import MetaPathFinder


class Wall(MetaPathFinder):
    """Hides modules."""

    def __init__(self, hidden: list[str]) -> None:
        self.hidden = set(hidden)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.hidden:
            raise ModuleNotFoundError(f"{name} is not among the room's dependencies", name=name)


def main() -> None:
    order = json.loads(sys.argv[1])
    sys.meta_path.insert(0, Wall(order["hidden"]))
    package = importlib.import_module(order["package"])
    for module in pkgutil.walk_packages(package.__path__, f"{order['package']}."):
        if not any(module.name.startswith(prefix) for prefix in order["leave_out"]):
            importlib.import_module(module.name)


if __name__ == "__main__":
    main()
