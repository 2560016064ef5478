"""The numbers of the RDB format: the meaning of the first byte of each part of a file, and of a length."""

from __future__ import annotations

from typing import Final

VERSION: Final = 10
"""The version that is written: that of Redis 7.0."""
NEWEST: Final = 12
"""The newest version that is read: that of Redis 7.4."""
MAGIC: Final = b"REDIS"

STRING: Final = 0
LIST: Final = 1
SET: Final = 2
ZSET_TEXT: Final = 3
"""A sorted set whose scores are written in decimal."""
HASH: Final = 4
ZSET: Final = 5
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
ZSET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_OF_ZIPLISTS: Final = 14
STREAM_BEFORE_7: Final = 15
HASH_LISTPACK: Final = 16
ZSET_LISTPACK: Final = 17
LIST_OF_LISTPACKS: Final = 18
STREAM: Final = 19
SET_LISTPACK: Final = 20
STREAM_AFTER_7: Final = 21

PLAIN_NODE: Final = 1
"""A node of a list that is a single element."""
PACKED_NODE: Final = 2

SLOT_INFO: Final = 244
FUNCTION: Final = 245
FUNCTION_BEFORE_RELEASE: Final = 246
MODULE_AUX: Final = 247
IDLE: Final = 248
FREQUENCY: Final = 249
AUX: Final = 250
RESIZE: Final = 251
EXPIRE_MILLISECONDS: Final = 252
EXPIRE_SECONDS: Final = 253
SELECT: Final = 254
END: Final = 255

LENGTH_32: Final = 0x80
LENGTH_64: Final = 0x81
ENCODED: Final = 0xC0
"""From this value on, the byte is not a length but a string encoding, one of the four below."""
INT8: Final = 0xC0
INT16: Final = 0xC1
INT32: Final = 0xC2
LZF: Final = 0xC3

MODULE_VALUES: Final = (6, 7)
NOT_KEPT: Final = {
    **dict.fromkeys(MODULE_VALUES, "a value of a module"),
    22: "a hash with fields that expire",
    23: "a hash with fields that expire",
    24: "a hash with fields that expire",
    25: "a hash with fields that expire",
    FUNCTION_BEFORE_RELEASE: "a function library",
    MODULE_AUX: "data of a module",
}
"""What Redis writes and we cannot keep: skipping it silently would lose data."""
