"""Reads RDB, versions 1 to 12: bytes in, keys out.

`feed()` takes the bytes of a file as they arrive; `read()` passes on a limited number of keys, so that other work can
be done between two calls.  Damaged data raise `RdbError` with their offset, and so does a valid value that we cannot
keep.
"""

from __future__ import annotations

from typing import Callable, Final, Optional, Protocol

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.builders import Builder, begin, kept
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.cursor import Cursor
from twisted_kv.rdb.errors import EmptyValueError, RdbError, ShortError
from twisted_kv.rdb.uses import Use
from twisted_kv.store.entries import Value
from twisted_kv.values.packing import DEFAULTS, Packing

Keep = Callable[[bytes, Value, Optional[int], Use], bool]
"""Stores a key with its value, its deadline in milliseconds and its use; returns False if the key already exists."""


class Target(Protocol):
    """Where the keys of one database go."""

    keep: Keep

    def keep_strings(self, keys: list[bytes], values: list[bytes]) -> bool:
        """Store strings without deadlines; return False if one of the keys already exists."""

    def expect(self, count: int) -> None:
        """Prepare for so many keys, as a file announces them; it may announce any number."""


class OneByOne:
    """Stores each key by itself."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep

    def keep_strings(self, keys: list[bytes], values: list[bytes]) -> bool:
        """Store strings; return False if one of the keys already exists."""
        return all(self.keep(key, value, None, None) for key, value in zip(keys, values))

    def expect(self, count: int) -> None:
        """Do nothing."""


_HEADER_SIZE: Final = len(rdb.MAGIC) + 4
_FIRST_CHECKED: Final = 5  # earlier versions have no checksum


def _no_functions(code: bytes) -> None:
    raise RdbError("a library of functions, and there is nothing to run it")


class RdbReader(Cursor):
    """Reads one file.  `select` is called with the index of each database that begins, and returns its `Target`.

    The checksum is verified only if `checked` (`rdbchecksum`); with `is_deep`, packed forms have to be consistent
    (`sanitize-dump-payload`).  `load_function` is called with the code of each library of functions, and raises
    `RdbError` for one that cannot be loaded.
    """

    def __init__(
        self,
        select: Callable[[int], Target],
        *,
        checked: bool = True,
        is_deep: bool = False,
        packing: Packing = DEFAULTS,
        load_function: Callable[[bytes], None] = _no_functions,
    ) -> None:
        super().__init__(is_deep=is_deep, packing=packing)
        self._checked = checked
        self._load_function = load_function
        self._select = select
        self._target: Target | None = None
        self._before = 0  # bytes of the file before `data`
        self._chunks: list[bytes] = []  # follow `data`, while a long string is incomplete
        self._missing = _HEADER_SIZE
        self._crc = 0
        self._version = 0
        self._deadline: int | None = None
        self._use: Use = None
        self._building: tuple[bytes, Builder] | None = None  # the key of the collection being read, and its builder
        self.done = False
        """Whether the end of the file has been read; the bytes after it are `rest`."""
        self.aux: dict[bytes, bytes] = {}
        """The file's auxiliary fields: facts about itself."""

    @property
    def rest(self) -> bytes:
        """The bytes after the end."""
        return b"".join((self.data[self.at :], *self._chunks))

    @property
    def offset(self) -> int:
        """How many bytes of the file have been read."""
        return self._before + self.at

    def feed(self, data: bytes) -> None:
        """Add bytes of the file to the buffer."""
        self._chunks.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._crc = crc64(self.data[: self.at], self._crc)
            self._before += self.at
            self.data = b"".join((self.data[self.at :], *self._chunks))
            self.at = 0
            self._chunks.clear()

    def read(self, most: int) -> bool:
        """Pass on up to `most` keys (each member of a large collection counts); False if more bytes are needed."""
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
        """End the input; raises `RdbError` if the file is not complete."""
        if not self.done:
            raise RdbError("the file ends here, before its end was written", self.offset + len(self.rest))

    def _read_some(self, most: int) -> int:
        """Read the next part of the file, or many plain string keys; return how many keys were read."""
        if not self._version:
            self._read_header()
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
        """Read short string keys without deadlines: the fast path for most keys of most files."""
        data, at, target = self.data, self.at, self._target
        end = len(data)
        if target is None:
            return 0
        keys: list[bytes] = []
        values: list[bytes] = []
        try:
            while len(keys) < most and data[at] == rdb.STRING:
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
                    keys.append(data[at + 2 : middle])
                    values.append(value)
                    at = self.at
                    continue
                else:
                    break
                if middle - at >= 66 or start + size > end:  # the key is long or encoded, or the value incomplete
                    break
                keys.append(data[at + 2 : middle])
                values.append(data[start : start + size])
                at = start + size
        except (IndexError, ShortError):  # the data end in the middle of a key
            pass
        finally:
            self.at = at
        if keys and not target.keep_strings(keys, values):
            raise RdbError("a key is there twice")
        return len(keys)

    def _read_header(self) -> None:
        head = self.take(_HEADER_SIZE)
        version = head[len(rdb.MAGIC) :]
        # Redis reads `10ab` as 10, and `1 00` as 1, a version without a checksum: one wrong bit would go undetected.
        if not head.startswith(rdb.MAGIC) or not version.isdigit():
            raise RdbError("this is no RDB file: it does not begin with REDIS and a version")
        self._version = int(version)
        if not 1 <= self._version <= rdb.NEWEST:
            raise RdbError(f"RDB version {self._version}, and only 1 to {rdb.NEWEST} are known")

    def _read_key(self, kind: int) -> int:
        if self._target is None:
            self._target = self._select(0)
        key = self.string()
        if kind == rdb.STRING:
            self._keep_key(key, self.string())
            return 1
        try:
            value = begin(kind, self)
        except EmptyValueError:
            self._deadline = self._use = None  # skipped, as in Redis
            return 1
        if isinstance(value, Builder):
            self._building = key, value
        else:
            self._keep_key(key, value)
        return 1

    def _read_members(self, most: int) -> int:
        """Read members of the current collection, as far as they have arrived."""
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
        assert self._target is not None
        deadline, use = self._deadline, self._use
        self._deadline = self._use = None
        if not self._target.keep(key, value, deadline, use):
            raise RdbError("a key is there twice")

    def _read_opcode(self, opcode: int) -> None:
        if opcode == rdb.EXPIRE_MILLISECONDS:
            deadline = int.from_bytes(self.take(8), "little", signed=True)
            self._deadline = None if deadline == -1 else deadline  # to Redis, -1 means no deadline
        elif opcode == rdb.EXPIRE_SECONDS:
            self._deadline = 1000 * int.from_bytes(self.take(4), "little", signed=True)
        elif opcode == rdb.FREQUENCY:
            self._use = opcode, self.byte()
        elif opcode == rdb.IDLE:
            self._use = opcode, self.length()
        elif opcode == rdb.FUNCTION:
            self._load_function(self.string())
        elif opcode == rdb.SELECT:
            self._target = self._select(self.length())
        elif opcode == rdb.AUX:
            name = self.string()
            self.aux[name] = self.string()
        elif opcode == rdb.RESIZE:
            count, _ = self.length(), self.length()
            if self._target is not None:
                self._target.expect(count)
        elif opcode == rdb.SLOT_INFO:
            self.length(), self.length(), self.length()
        elif opcode == rdb.END:
            self._read_end()
        else:
            kept(opcode)

    def _read_end(self) -> None:
        """Read the end, and compare the checksum with the file's; 0 means that none was computed."""
        if self._version >= _FIRST_CHECKED:
            end = self.at
            announced = int.from_bytes(self.take(8), "little")
            if self._checked and announced and announced != crc64(self.data[:end], self._crc):
                raise RdbError("the checksum at the end is not that of the file: it is damaged somewhere before")
        self.done = True
