"""The courier: in or beside each container, reads all metrics in one shot and publishes them.

Must stay light: imports proto only, never fastapi, httpx, aiohttp or a backend.
"""
