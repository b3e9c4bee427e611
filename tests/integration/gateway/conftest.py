"""The gateway as a fixture."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from concierge_backends import port
from concierge_proto import bus
from tests.integration.gateway import house


@pytest.fixture
async def client(link: bus.Bus, tmp_path: Path) -> AsyncIterator[house.Client]:
    async with house.serving(house.configuration(tmp_path), link, {}) as found:
        yield found


@pytest.fixture
def serve(tmp_path: Path) -> house.Serve:
    """Starts gateways with settings of the test's own."""

    def make(
        link: bus.Bus, problems: Mapping[str, port.Problems] | None = None, **gateway: Any
    ) -> contextlib.AbstractAsyncContextManager[house.Client]:
        return house.serving(house.configuration(tmp_path, **gateway), link, problems or {})

    return make
