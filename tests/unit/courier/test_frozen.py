"""The environment that the application gets is the one that the courier's loader was given."""

import pytest

from concierge_courier import frozen


@pytest.mark.parametrize(
    ("loaded", "before"),
    [
        ({"LD_LIBRARY_PATH": "/tmp/_MEI1"}, {}),
        ({"LD_LIBRARY_PATH": "/tmp/_MEI1", "LD_LIBRARY_PATH_ORIG": "/app"}, {"LD_LIBRARY_PATH": "/app"}),
        ({"_PYI_ARCHIVE_FILE": "x", "_PYI_PARENT_PROCESS_LEVEL": "1"}, {}),
    ],
)
def test_the_loaders_traces_are_removed(loaded: dict[str, str], before: dict[str, str]) -> None:
    environ = {"PATH": "/bin", **loaded}
    frozen.restore(environ)
    assert environ == {"PATH": "/bin", **before}
