"""The payloads of DUMP: as Redis gives them, and RESTORE takes them."""

from __future__ import annotations

import struct

import pytest

from tests.rdb import files as make
from tests.rdb.cases import VALUES
from tests.rdb.files import Typed
from tests.rdb.reading import plain
from twisted_kv.rdb.payload import dump, is_sound, restore
from twisted_kv.rdb.reader import RdbError
from twisted_kv.store.entries import Value
from twisted_kv.values.hashes import Hash

REDIS = [  # what Redis 7.0.15 gave
    (b"", "00000a005d9b5c400f7fa2da"),
    (b"a", "0001610a00bffeef9b8f367db4"),
    (b"abc", "00036162630a00d9ac303d4172a2e2"),
    (b"0", "00c0000a009840a778f8500308"),
    (b"-1", "00c0ff0a000c937e2485089dc5"),
    (b"007", "00033030370a007258e27b4c69bad9"),
    (b"128", "00c180000a00eb7ab3b510cf4b65"),
    (b"-32769", "00c2ff7fffff0a00aee34c4d06c68536"),
    (b"2147483648", "000a323134373438333634380a00e7b129a34c1d76ee"),
    (b"-2147483648", "00c2000000800a00c74f873e33558187"),
    (b"1.5", "0003312e350a001df5d4bedb5b860d"),
    (b"12345678901", "000b31323334353637383930310a00304e52d727176510"),
    (b"a" * 20, "001461616161616161616161616161616161616161610a0083b46b5e1b11acf1"),
    (b"\xff\x00", "0002ff000a0009e8f9b621a3fa98"),
    ({b"f": b"v"}, "100d0d0000000200816602817602ff0a0020f13d442354089d"),
    ({b"1": b"2"}, "100b0b000000020001010201ff0a00d770c6ef6d1b164e"),
    ({b"a": b"1", b"b": b"2", b"c": b"x"}, "101717000000060081610201018162020201816302817802ff0a0013da6bb36d65bf8d"),
    ({b"f": b""}, "100c0c00000002008166028001ff0a00acd69244f3f197ae"),
    ({b"f": b"127"}, "100c0c00000002008166027f01ff0a007d32557e9a68fc20"),
    ({b"f": b"128"}, "100d0d0000000200816602c08002ff0a00d25e44b90c9b69de"),
    ({b"f": b"-4096"}, "100d0d0000000200816602d00002ff0a0058b99b0186d68e2b"),
    ({b"f": b"32768"}, "100f0f0000000200816602f200800004ff0a00ad042f4571d33f70"),
    ({b"f": b"8388608"}, "1010100000000200816602f30000800005ff0a0010462c437fde8fb6"),
    ({b"f": b"9223372036854775807"}, "1014140000000200816602f4ffffffffffffff7f09ff0a0095ee3aa47986181e"),
    (
        {b"f": b"9223372036854775808"},
        "101f1f0000000200816602933932323333373230333638353437373538303814ff0a0090e1ea09ab7db7b4",
    ),
]


def value_of(sample: bytes | dict[bytes, bytes]) -> Value:
    if isinstance(sample, bytes):
        return sample
    value = Hash()
    for field, content in sample.items():
        value.set(field, content)
    return value


@pytest.mark.parametrize(("sample", "payload"), REDIS)
def test_a_payload_is_that_of_redis_to_the_byte(sample: bytes | dict[bytes, bytes], payload: str) -> None:
    assert dump(value_of(sample)).hex() == payload
    assert is_sound(bytes.fromhex(payload))
    assert plain(restore(bytes.fromhex(payload))) == sample


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case.name)
@pytest.mark.every(5)
def test_every_encoding_can_be_restored_and_dumped_again(case: Typed) -> None:
    payload = case.payload()
    assert is_sound(payload)
    value = restore(payload)
    assert plain(value) == case.value
    assert plain(restore(dump(value))) == case.value


@pytest.mark.parametrize("version", range(14))
def test_a_payload_of_a_newer_version_is_not_sound(version: int) -> None:
    assert is_sound(make.dump_payload(make.STRING, make.string(b"v"), version)) is (version <= 10)


def test_a_payload_that_is_cut_or_changed_is_not_sound() -> None:
    payload = make.dump_payload(make.STRING, make.string(b"hello"))
    assert not any(is_sound(payload[:end]) for end in range(len(payload)))
    for at in range(len(payload)):
        for bit in range(8):
            damaged = bytearray(payload)
            damaged[at] ^= 1 << bit
            assert not is_sound(bytes(damaged))
    assert not is_sound(payload[:-8] + bytes(8))  # 0 does not switch the checksum off here


def test_what_comes_behind_a_value_is_passed_over() -> None:
    assert restore(make.dump_payload(make.STRING, make.string(b"hello") + b"xx")) == b"hello"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\x05hel",
        b"\xc8\x05hello",
        b"\xfa\x01a\x01b",
        b"\xff",
        b"\x16\x01\x01a\x01b\x00",
        b"\x07\x00",
        b"\x08\x01a",
        b"\x04\x00",
        b"\x04\x02\x01a\x01b",
        b"\x04\x81" + b"\xff" * 8,
        b"\x10\x07\x07\x00\x00\x00\x00\x00\xff",
        b"\x10\t\t\x00\x00\x00\x01\x00\x01\x01\xff",
        b"\x09\x08\x01\x01a\x01\x00b\xff\x00",
        b"\x00\xc3\x03\x05 \x00\x00",
        b"\x00\xc3\x02\x05\x00a",
        b"\x00\xc4abc",
        b"\x00\x81" + b"\xff" * 8,
        b"\xf9\x01\x00\x01a",
    ],
)
def test_a_payload_without_a_value_is_refused(body: bytes) -> None:
    payload = body + struct.pack("<H", 10)
    payload += struct.pack("<Q", make.crc64(payload))
    assert is_sound(payload)
    with pytest.raises(RdbError):
        restore(payload)
