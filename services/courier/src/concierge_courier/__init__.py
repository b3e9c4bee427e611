"""The courier: in or beside each container, reads all metrics in one shot and publishes them.

    run → collect → deliver → spool        what is read, and how it goes out
          discover, heartbeat, receipts    what else is said, and what is heard
          supervise → children             the application as its child
          sources                          one module a kind of endpoint

Must stay light: imports proto only, never fastapi, httpx, aiohttp or a backend.
"""

VERSION = "0.1.0"
"""Stands here too, because reading package metadata costs 2 MB in every container."""
