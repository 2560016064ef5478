"""Reads RDB, versions 1 to 12: bytes in, keys out.

`feed()` takes the bytes of a file as they come, `read()` hands on so many keys, so that others have their turn between
two calls.  What is damaged raises `RdbError`, which knows where; what is well and cannot be kept here raises it too.
"""

from __future__ import annotations

from typing import Callable, Final, Optional

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.builders import Builder, begin, kept
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.cursor import Cursor
from twisted_kv.rdb.errors import EmptyValueError, RdbError, ShortError
from twisted_kv.rdb.uses import Use
from twisted_kv.store.database import Value
from twisted_kv.values.packing import DEFAULTS, Packing

Keep = Callable[[bytes, Value, Optional[int], Use], bool]
"""Takes a key with its value, its deadline in milliseconds and its use; False if it was there already."""

_HEAD: Final = len(rdb.MAGIC) + 4
_FIRST_CHECKED: Final = 5  # versions before it have no checksum


class RdbReader(Cursor):
    """Reads one file.  `select` is told the number of each database that begins, and gives what takes its keys.

    The checksum is not compared unless `checked` (`rdbchecksum`); with `is_deep`, what is packed has to tally
    (`sanitize-dump-payload`).
    """

    def __init__(
        self,
        select: Callable[[int], Keep],
        *,
        checked: bool = True,
        is_deep: bool = False,
        packing: Packing = DEFAULTS,
    ) -> None:
        super().__init__(is_deep=is_deep, packing=packing)
        self._checked = checked
        self._select = select
        self._keep: Keep | None = None
        self._before = 0  # bytes of the file before the data at hand
        self._chunks: list[bytes] = []  # came behind the data at hand while a long string was not complete
        self._missing = _HEAD
        self._crc = 0
        self._version = 0
        self._deadline: int | None = None
        self._use: Use = None
        self._building: tuple[bytes, Builder] | None = None  # the collection under way, and its key
        self.done = False
        """Whether the end of the file was read; what came behind it is `rest`."""
        self.aux: dict[bytes, bytes] = {}
        """What the file says about itself."""

    @property
    def rest(self) -> bytes:
        """What came behind the end."""
        return b"".join((self.data[self.at :], *self._chunks))

    @property
    def offset(self) -> int:
        """How many bytes of the file were read."""
        return self._before + self.at

    def feed(self, data: bytes) -> None:
        """Take bytes of the file."""
        self._chunks.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._crc = crc64(self.data[: self.at], self._crc)
            self._before += self.at
            self.data = b"".join((self.data[self.at :], *self._chunks))
            self.at = 0
            self._chunks.clear()

    def read(self, most: int) -> bool:
        """Hand on up to `most` keys (large collections count by their members); False if more bytes have to come."""
        start = self.at
        if self._missing > 0:
            return False
        try:
            while most > 0 and not self.done:
                start = self.at
                most -= self._read_some(most)
        except ShortError as short:
            self.at = start
            self._missing = short.missing
            return False
        except RdbError as error:
            error.offset = self._before + start
            raise
        return True

    def finish(self) -> None:
        """Take note that no more bytes come; raises `RdbError` if that is too early."""
        if not self.done:
            raise RdbError("the file ends here, before its end was written", self.offset + len(self.rest))

    def _read_some(self, most: int) -> int:
        """Read what begins here, or many keys that are plain strings; gives how many keys that were."""
        if not self._version:
            self._read_head()
            return 0
        if self._building is not None:
            return self._read_members(most)
        if self._deadline is None and self._use is None:
            count = self._read_strings(most)
            if count:
                return count
        kind = self.byte()
        if kind < rdb.SLOT_INFO:
            return self._read_key(kept(kind))
        self._read_opcode(kind)
        return 0

    def _read_strings(self, most: int) -> int:
        """Read keys that stay and hold plain strings, as far as they are short: the way of most keys of most files."""
        data, at, keep = self.data, self.at, self._keep
        end = len(data)
        count = 0
        if keep is None:
            return 0
        try:
            while count < most and data[at] == rdb.STRING:
                middle = at + 2 + data[at + 1]
                size = data[middle]
                if size < 64:
                    start = middle + 1
                elif size < 128:
                    start = middle + 2
                    size = (size & 63) << 8 | data[middle + 1]
                elif size >= rdb.ENCODED and middle - at < 66:
                    self.at = middle
                    value = self.string()
                    if not keep(data[at + 2 : middle], value, None, None):
                        raise RdbError("a key is there twice")
                    at = self.at
                    count += 1
                    continue
                else:
                    break
                if middle - at >= 66 or start + size > end:  # the key is long, or encoded, or the value not all there
                    break
                if not keep(data[at + 2 : middle], data[start : start + size], None, None):
                    raise RdbError("a key is there twice")
                at = start + size
                count += 1
        except (IndexError, ShortError):  # the data end here
            pass
        finally:
            self.at = at
        return count

    def _read_head(self) -> None:
        head = self.take(_HEAD)
        version = head[len(rdb.MAGIC) :]
        # Redis takes `10ab` for 10, and `1 00` for 1, whose files have no checksum: one wrong bit would pass unseen.
        if not head.startswith(rdb.MAGIC) or not version.isdigit():
            raise RdbError("this is no RDB file: it does not begin with REDIS and a version")
        self._version = int(version)
        if not 1 <= self._version <= rdb.NEWEST:
            raise RdbError(f"RDB version {self._version}, and only 1 to {rdb.NEWEST} are known")

    def _read_key(self, kind: int) -> int:
        if self._keep is None:
            self._keep = self._select(0)
        key = self.string()
        if kind == rdb.STRING:
            self._keep_key(key, self.string())
            return 1
        try:
            value = begin(kind, self)
        except EmptyValueError:
            self._deadline = self._use = None  # passed over, as by Redis
            return 1
        if isinstance(value, Builder):
            self._building = key, value
        else:
            self._keep_key(key, value)
        return 1

    def _read_members(self, most: int) -> int:
        """Read some members of the collection under way, as far as they have come."""
        assert self._building is not None
        key, builder = self._building
        count = 0
        start = self.at
        try:
            while count < most and builder.left:
                start = self.at
                builder.step(self)
                count += 1
        except ShortError:
            self.at = start
            if not count:
                raise
        except EmptyValueError:
            self._building = self._deadline = self._use = None  # as above
            return count
        if not builder.left:
            self._building = None
            self._keep_key(key, builder.value)
        return count

    def _keep_key(self, key: bytes, value: Value) -> None:
        assert self._keep is not None
        deadline, use = self._deadline, self._use
        self._deadline = self._use = None
        if not self._keep(key, value, deadline, use):
            raise RdbError("a key is there twice")

    def _read_opcode(self, opcode: int) -> None:
        if opcode == rdb.EXPIRE_MILLISECONDS:
            deadline = int.from_bytes(self.take(8), "little", signed=True)
            self._deadline = None if deadline == -1 else deadline  # Redis has no other word for none
        elif opcode == rdb.EXPIRE_SECONDS:
            self._deadline = 1000 * int.from_bytes(self.take(4), "little", signed=True)
        elif opcode == rdb.FREQUENCY:
            self._use = opcode, self.byte()
        elif opcode == rdb.IDLE:
            self._use = opcode, self.length()
        elif opcode == rdb.SELECT:
            self._keep = self._select(self.length())
        elif opcode == rdb.AUX:
            name = self.string()
            self.aux[name] = self.string()
        elif opcode == rdb.RESIZE:
            self.length(), self.length()
        elif opcode == rdb.SLOT_INFO:
            self.length(), self.length(), self.length()
        elif opcode == rdb.END:
            self._read_end()
        else:
            kept(opcode)

    def _read_end(self) -> None:
        """Read the end, and hold the checksum against the file; 0 says that none was made."""
        if self._version >= _FIRST_CHECKED:
            end = self.at
            announced = int.from_bytes(self.take(8), "little")
            if self._checked and announced and announced != crc64(self.data[:end], self._crc):
                raise RdbError("the checksum at the end is not that of the file: it is damaged somewhere before")
        self.done = True
