"""Calls the gateway's webhook, as a monitoring system would: signed, and again until it is taken."""

import asyncio
import logging
import random
import time

import httpx

from concierge_backends import mailbox
from concierge_proto import errors, identity, signature

log = logging.getLogger(__name__)

_TIMEOUT = 5.0
_FIRST, _LONGEST = 0.2, 10.0
"""Seconds between two tries: doubled each time, with jitter."""
_TOO_MANY = 429


class Caller:
    """Sends one webhook at a time. A newer one about the same event takes the place of one that still waits."""

    def __init__(self, client: httpx.AsyncClient, url: httpx.URL, key: bytes) -> None:
        self._client = client
        self._url = url
        self._key = key
        self._waiting: mailbox.Mailbox[bytes] = mailbox.Mailbox()

    def put(self, event_id: str, body: bytes) -> None:
        """Send it as soon as may be."""
        self._waiting.put(event_id, body)

    async def run(self) -> None:
        """Send until cancelled."""
        pause = _FIRST
        while True:
            event_id, body = await self._waiting.take()
            try:
                await self.send(body)
            except errors.Temporary as error:
                log.warning("%s; trying again", error)
                self._waiting.put_back(event_id, body)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
                pause = min(2 * pause, _LONGEST)
            except errors.Permanent as error:
                log.error("%s", error)
            else:
                pause = _FIRST

    async def send(self, body: bytes) -> None:
        """Post once. The id stays the same on every try, the signature's time is the try's own.

        Raises:
            Temporary: Nobody there, 429, or 5xx.
            Permanent: Any other answer but 2xx.
        """
        headers = signature.headers(
            self._key, identity.derive("webhook", body.decode()), int(time.time()), body
        )
        headers["content-type"] = "application/json"
        try:
            answer = await self._client.post(self._url, content=body, headers=headers, timeout=_TIMEOUT)
        except httpx.HTTPError as error:
            raise errors.Temporary(f"webhook {self._url}: {str(error) or type(error).__name__}") from error
        if answer.is_success:
            return
        text = f"webhook {self._url}: {answer.status_code} {answer.text[:200].strip()}"
        if answer.is_server_error or answer.status_code == _TOO_MANY:
            raise errors.Temporary(text)
        raise errors.Permanent(text)
