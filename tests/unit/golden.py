"""Files that pin what others rely on. They are rewritten by `make docs` alone, which sets REGENERATE=1."""

import os
from pathlib import Path


def pinned(file: Path, made: bytes) -> bytes:
    """Return what `file` holds; with REGENERATE=1 write `made` into it first."""
    if os.environ.get("REGENERATE") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(made)
    return file.read_bytes()
