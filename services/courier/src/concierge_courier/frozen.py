"""The courier as one executable, unpacked at its start by a loader that stays its parent.

What the loader put into the environment is for the courier alone: the application is to find its own libraries.
And where the loader is process 1, orphans are to come to the courier, for the loader waits for nobody else's.
"""

import ctypes
import os
from collections.abc import MutableMapping

from concierge_courier import __main__

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER, from <sys/prctl.h>."""
_LOADERS = "_PYI_"
_SEARCH = "LD_LIBRARY_PATH"


def main() -> None:
    restore(os.environ)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    __main__.main()


def restore(environ: MutableMapping[str, str]) -> None:
    """Give the environment back as it was before the loader."""
    for name in [name for name in environ if name.startswith(_LOADERS)]:
        del environ[name]
    before = environ.pop(f"{_SEARCH}_ORIG", None)
    environ.pop(_SEARCH, None)
    if before is not None:
        environ[_SEARCH] = before


if __name__ == "__main__":
    main()
