"""Key-value buckets with compare-and-set; a time-out is read back, never guessed."""

from collections.abc import Callable
from typing import NamedTuple

import nats.js.client
import nats.js.errors
import nats.js.kv
from nats.js import api

from concierge_proto import codec, errors
from concierge_proto.bus import acks, failures

_EXPECTED = api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value


class Entry(NamedTuple):
    """A value and the revision under which it can be replaced."""

    value: bytes
    revision: int


class Conflict(errors.Temporary):
    """Somebody else wrote in between: read again."""


class Store:
    """One bucket. Keys: letters, digits, `-`, `_`, `/`, `=`, `.`; a value that is too large is TooLarge."""

    def __init__(
        self,
        js: nats.js.client.JetStreamContext,
        waiting: acks.Acks,
        bucket: str,
        max_payload: Callable[[], int],
    ) -> None:
        self._js = js
        self._acks = waiting
        self._max_payload = max_payload
        self.bucket = bucket
        self._opened: nats.js.kv.KeyValue | None = None

    async def get(self, key: str) -> Entry | None:
        """Return what stands there now, or None."""
        with failures.translated(f"read {self.bucket}/{key}"):
            try:
                entry = await (await self._kv()).get(key)
            except nats.js.errors.KeyNotFoundError:
                return None
        if entry.value is None or entry.revision is None:
            return None
        return Entry(entry.value, entry.revision)

    async def create(self, key: str, value: bytes) -> int:
        """Write where nothing stands and return the revision; Conflict where something does."""
        return await self._write(key, value, None)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Replace the value of that revision and return the new one; Conflict when it has moved."""
        return await self._write(key, value, revision)

    async def put(self, key: str, value: bytes) -> int:
        """Write whatever stands there."""
        codec.check_size(value, self._max_payload())
        with failures.translated(f"write {self.bucket}/{key}"):
            return await (await self._kv()).put(key, value)

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Remove a key; with `revision` only that one, else Conflict."""
        with failures.translated(f"delete {self.bucket}/{key}"):
            try:
                await (await self._kv()).delete(key, last=revision)
            except nats.js.errors.KeyWrongLastSequenceError as error:
                raise self._moved(key, revision or 0) from error

    async def _write(self, key: str, value: bytes, revision: int | None) -> int:
        codec.check_size(value, self._max_payload())
        doing = f"write {self.bucket}/{key}"
        try:
            with failures.Told(doing):
                return await self._compare_and_set(key, value, revision)
        except Conflict:
            raise
        except errors.Temporary:
            found = await self.get(key)
            if found and found.value == value and found.revision > (revision or 0):
                return found.revision
            if (found.revision if found else None) == revision:
                raise
            raise Conflict(f"{doing}: somebody else wrote it", 0) from None

    async def _compare_and_set(self, key: str, value: bytes, revision: int | None) -> int:
        headers = {_EXPECTED: str(revision or 0)}
        try:
            answer = await self._acks.send(f"$KV.{self.bucket}.{key}", value, headers)
            return acks.read(await answer).sequence
        except nats.js.errors.APIError as error:
            if error.err_code not in failures.MOVED:
                raise
            if revision is None:
                return await self._revive(key, value)
            raise self._moved(key, revision) from error

    async def _revive(self, key: str, value: bytes) -> int:
        """Write where something was deleted, and its marker still stands."""
        try:
            with failures.cancellable():
                return await (await self._kv()).create(key, value)
        except nats.js.errors.KeyWrongLastSequenceError as error:
            raise self._moved(key, 0) from error

    def _moved(self, key: str, revision: int) -> Conflict:
        return Conflict(f"{self.bucket}/{key} is no longer at revision {revision}", 0)

    async def _kv(self) -> nats.js.kv.KeyValue:
        if self._opened is None:
            try:
                self._opened = await self._js.key_value(self.bucket)
            except nats.js.errors.BucketNotFoundError as error:
                raise errors.Temporary(f"bucket {self.bucket} does not exist yet") from error
        return self._opened
