"""The settings: how each is read, written and refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import twisted_kv
from tests.servers.capture import listening
from twisted_kv.settings.config import SETTINGS, Settings, apply_config
from twisted_kv.settings.kinds import BufferLimit, SavePoint, parse_memory
from twisted_kv.settings.redis_conf import FOREIGN
from twisted_kv.testing import MemoryCache
from twisted_kv.values import packing

NORMAL = "normal 1073741824 67108864 60"
OTHERS = "slave 268435456 67108864 60 pubsub 33554432 8388608 60"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_default_can_be_written_and_read_back(name: str) -> None:
    settings, other = Settings(), Settings()
    other.set(name, settings.get(name))
    assert other == settings
    assert SETTINGS[name].kind.placeholder


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_says_what_it_is_for(name: str) -> None:
    assert SETTINGS[name].purpose
    assert SETTINGS[name].attribute == name.replace("-", "_")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1048576),
        ("12b", 12),
        ("1k", 1000),
        ("1kb", 1024),
        ("2M", 2_000_000),
        ("2Mb", 2 << 20),
        ("3g", 3 * 10**9),
        ("3GB", 3 << 30),
        ("", 0),  # as Redis reads it; the bounds of the setting refuse it
        ("kb", 0),
    ],
)
def test_memory_is_read_with_its_unit(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["1bb", "1tb", "-1", "1.5mb", "1 mb", "٣", "9" * 21, "0x10"])
def test_what_is_no_memory_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="argument must be a memory value"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("timeout", "abc", "argument couldn't be parsed into an integer"),
        ("timeout", "", "argument couldn't be parsed into an integer"),
        ("timeout", "1\udcff", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("port", "65536", "argument must be between 0 and 65535 inclusive"),
        ("proto-max-bulk-len", "many", "argument must be a memory value"),
        ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("proto-max-bulk-len", "99999999999gb", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("udp-dialect", "klingon", "argument(s) must be one of the following: auto, equals, command, resp"),
        ("udp-allow", "10.0.0.0/99", "argument must be networks as 10.0.0.0/8"),
        ("udp-allow", "10.0.0.1/8", "argument must be networks as 10.0.0.0/8"),
        ("client-output-buffer-limit", "normal 1 1", "Wrong number of arguments in buffer limit configuration."),
        (
            "client-output-buffer-limit",
            "master 1 1 1",
            "Invalid client class specified in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "normal x 1 1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "normal 1 1 x",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "normal 1 1 -1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_setting(name: str, text: str, error: str) -> None:
    settings = Settings()
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        settings.set(name, text)
    assert str(caught.value).startswith(f"setting '{name}': {error}")
    assert settings == Settings()


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown setting 'nope'"):
        Settings().set("nope", "1")
    with pytest.raises(KeyError):
        Settings().get("nope")


@pytest.mark.parametrize(
    ("name", "text", "formatted"),
    [
        ("protected-mode", "NO", "no"),
        ("udp-dialect", "EQUALS", "equals"),
        ("bind", "127.0.0.1   ::1", "127.0.0.1 ::1"),
        ("udp-allow", "10.0.0.0/8 fd00::/8", "10.0.0.0/8 fd00::/8"),
        ("proto-max-bulk-len", "2mb", "2097152"),
        (
            "client-output-buffer-limit",
            "NORMAL 1kb 1k 5",
            f"normal 1024 1000 5 {OTHERS}",
        ),
        (
            "client-output-buffer-limit",
            "replica 1 2 3 pubsub 4 5 6 slave 7 8 9",
            f"{NORMAL} slave 7 8 9 pubsub 4 5 6",
        ),
        (
            "client-output-buffer-limit",
            "",
            f"{NORMAL} {OTHERS}",
        ),
        ("requirepass", "geheim\udcff", "geheim\udcff"),
    ],
)
def test_a_setting_is_told_in_the_form_of_redis_conf(name: str, text: str, formatted: str) -> None:
    settings = Settings()
    settings.set(name, text)
    assert settings.get(name) == formatted


def test_settings_are_made_from_python_values() -> None:
    settings = Settings.of(
        {"port": 7, "udp": False, "protected-mode": True, "bind": ["127.0.0.1", "::1"], "endpoint": ("unix:/x",)}
    )
    assert settings.port == 7
    assert not settings.udp
    assert settings.protected_mode
    assert settings.bind == ("127.0.0.1", "::1")
    assert settings.endpoint == ("unix:/x",)
    assert settings.client_output_buffer_limit.normal == BufferLimit(1 << 30, 64 << 20, 60)


def test_two_settings_objects_share_nothing() -> None:
    one, other = Settings(), Settings()
    one.set("timeout", "5")
    assert other.timeout == 0


CONFIG = b"""# a comment
   # another

PORT 7000
bind 127.0.0.1 -::1
requirepass "a b"
"""


def test_a_file_is_read_line_by_line() -> None:
    found: list[tuple[str, str]] = []
    apply_config(CONFIG.splitlines(keepends=True), lambda name, value: found.append((name, value)))
    assert found == [("port", "7000"), ("bind", "127.0.0.1 -::1"), ("requirepass", "a b")]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"nope 1", "line 2: unknown setting 'nope'"),
        (b"port", "line 2: setting 'port' has no value"),
        (b"port 1 2", "line 2: setting 'port' takes one value"),
        (b"protected-mode yes no", "line 2: setting 'protected-mode' takes one value"),
        (b"udp-dialect auto resp", "line 2: setting 'udp-dialect' takes one value"),
        (b'requirepass "a', "line 2: unbalanced quotes"),
        (b"port \xff", "line 2: "),
        (b"port abc", "line 2: setting 'port': argument couldn't be parsed into an integer"),
    ],
)
def test_a_wrong_line_is_named(line: bytes, error: str) -> None:
    settings = Settings()
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        apply_config([b"\n", line], settings.set)
    assert str(caught.value).startswith(error)


def test_a_file_is_applied_in_its_order() -> None:
    settings = Settings()
    apply_config([b"timeout 1\n", b"timeout 2\n"], settings.set)
    assert settings.timeout == 2


@pytest.mark.parametrize("value", [None, 1.5, b"x", object()])
def test_a_value_that_no_file_could_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="setting 'requirepass': a value is"):
        Settings.of({"requirepass": value})


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("", ()),
        ("3600 1", (SavePoint(3600, 1),)),
        ("3600 1 300 100", (SavePoint(3600, 1), SavePoint(300, 100))),
        ("1 0", (SavePoint(1, 0),)),
        ("9223372036854775807 2147483647", (SavePoint(2**63 - 1, 2**31 - 1),)),
        ("60 1\0 x", (SavePoint(60, 1),)),
    ],
)
def test_save_points_are_pairs_of_seconds_and_changes(text: str, points: tuple[SavePoint, ...]) -> None:
    settings = Settings()
    settings.set("save", text)
    assert settings.save == points
    other = Settings()
    other.set("save", settings.get("save"))
    assert other == settings


@pytest.mark.parametrize(
    "text",
    [" 3600 1", "3600  1", "3600 1 ", "3600", "3600 1 300", "-1 1", "0 1", "1 -1", "a b", "3600 1 x", '""', "1.5 2",
     "3600\t1", "'3600 1'", " ", "1 2147483648", "+5 1", "\u0663 1"],
)  # fmt: skip
def test_what_are_no_save_points_is_refused(text: str) -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="setting 'save': Invalid save parameters"):
        settings.set("save", text)
    assert settings.save == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([b"save 3600 1"], "3600 1"),
        ([b'save "3600 1"', b"save 300 100"], "3600 1 300 100"),
        ([b'save ""'], ""),
        ([b'save ""', b"save 5 5"], "5 5"),
        ([b"save 5 5", b'save ""'], ""),
        ([b"save 5 5", b'save ""', b"save 6 6", b"save 7 7"], "6 6 7 7"),
    ],
)
def test_save_points_of_a_file_add_up_until_they_are_cleared(lines: list[bytes], told: str) -> None:
    settings = Settings()
    apply_config(lines, settings.set)
    assert settings.get("save") == told


def test_a_folder_is_completed_at_once() -> None:
    settings = Settings()
    for text, path in (("", ""), ("/tmp/x/../y", "/tmp/y"), (".", os.getcwd()), ("~", os.path.expanduser("~"))):
        settings.set("dir", text)
        assert settings.dir == path


@pytest.mark.parametrize(
    ("name", "what"), [("dbfilename", "filename"), ("appendfilename", "filename"), ("appenddirname", "dirname")]
)
def test_the_name_of_a_file_has_no_path(name: str, what: str) -> None:
    settings = Settings()
    for text in ("", ".", "..", "a\0b"):
        with pytest.raises(ValueError, match=f"{name} can't be empty"):
            settings.set(name, text)
    for text in ("a/b", "/a", "../a"):
        with pytest.raises(ValueError, match=f"{name} can't be a path, just a {what}"):
            settings.set(name, text)
    assert settings == Settings()
    settings.set(name, "my file")
    assert settings.get(name) == "my file"


# What Redis has, and is not here


def read(text: str, **how: Any) -> Settings:
    settings = Settings()
    apply_config(text.encode().splitlines(), settings.set, **how)
    return settings


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        read("port x\ntimeout 5\nnope 1\nuser alice on\nloadmodule x.so\nrename-command A B\nport\n")
    assert str(caught.value).split("\n") == [
        "line 1: setting 'port': argument couldn't be parsed into an integer",
        "line 3: unknown setting 'nope'",
        "line 4: 'user': there is no ACL here",
        "line 5: 'loadmodule': there is no module here",
        "line 6: 'rename-command': there is no way to rename commands here",
        "line 7: setting 'port' has no value",
    ]


def test_names_that_nobody_knows_may_be_told_and_passed_over() -> None:
    unknown: list[str] = []
    assert read("nope 1\ntimeout 5", unknown=unknown.append).timeout == 5
    assert unknown == ["nope"]


def test_a_file_may_include_others() -> None:
    files = {"a": b"timeout 7\nsave 1 1", "b": b"include a\nsave 2 2"}
    settings = read("include b\nport 7", include=lambda path: files[path].splitlines())
    assert (settings.timeout, settings.port, settings.get("save")) == (7, 7, "1 1 2 2")
    with pytest.raises(ValueError, match="line 1: line 1: unknown setting 'nope'"):
        read("include c", include=lambda path: [b"nope 1"])


def test_what_has_nothing_to_do_here_is_given_back_and_told_if_it_is_not_redis_s_default() -> None:
    settings = read("hz 50\nactiverehashing no\ndynamic-hz yes\nproc-title-template '{title}'")
    assert (settings.get("hz"), settings.get("activerehashing"), settings.get("dynamic-hz")) == ("50", "no", "yes")
    assert settings.notes() == ["these settings of Redis have no effect here: activerehashing, hz, proc-title-template"]
    with pytest.raises(ValueError, match="setting 'hz': argument must be between 0 and 2147483647 inclusive"):
        settings.set("hz", "-1")


def test_what_is_twistds_business_is_told_with_its_options() -> None:
    [note] = read("daemonize yes\npidfile /run/x.pid\nlogfile ''\nsupervised no").notes()
    assert note.startswith("daemonize, pidfile: that is twistd's business, whose options are -n")
    assert "--pidfile and -l" in note


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_each_foreign_setting_is_taken_at_redis_s_default_and_where_it_is_off(name: str) -> None:
    each = FOREIGN[name]
    settings = Settings()
    told = settings.get(name)
    for text in {each.default, each.truth, told}:
        settings.set(name, text)
        assert settings.get(name) == told or not each.missing
    assert settings.notes() == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("slowlog-log-slower-than", "5", "there is no slow log here: it can only be '-1' or '10000'"),
        ("replicaof", "127.0.0.1 6379", "there is no replication here"),
        ("tls-port", "6380", "there is no TLS by this name"),
        ("cluster-enabled", "yes", "there is no cluster here: it can only be 'no'"),
        ("slowlog-max-len", "x", "argument couldn't be parsed into an integer"),
    ],
)
def test_what_belongs_to_what_is_not_there_is_refused_at_any_other_value(name: str, value: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        Settings().set(name, value)
    assert str(caught.value).startswith(f"setting '{name}': {why}")


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_each_setting_is_asked_for_somewhere(name: str) -> None:
    """One that nobody reads would be taken without effect."""
    package = Path(twisted_kv.__file__).parent
    sources = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "config.py")
    asked = re.search(rf"(settings|_settings|config|server\.settings)\.{SETTINGS[name].attribute}\b", sources)
    assert asked or f'"{name}"' in sources or name.replace("-", "_") in packing.NAMES


@pytest.mark.parametrize("text", ["default", "save", "nosave now", "FORCE"])
def test_how_a_signal_ends_the_process_may_be_several_words(text: str) -> None:
    settings = Settings()
    settings.set("shutdown-on-sigterm", text)
    assert settings.get("shutdown-on-sigterm") == text.lower()


@pytest.mark.parametrize("text", ["", "maybe", "save maybe"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one of the following: default, save, nosave, now, force"):
        Settings().set("shutdown-on-sigint", text)


@pytest.mark.parametrize(("text", "mode"), [("0", 0), ("700", 0o700), ("777", 0o777)])
def test_permissions_are_octal(text: str, mode: int) -> None:
    settings = Settings()
    settings.set("unixsocketperm", text)
    assert settings.unixsocketperm == mode
    assert settings.get("unixsocketperm") == text


@pytest.mark.parametrize("text", ["778", "1000", "x", "-1", ""])
def test_permissions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="argument must be between 0 and 777 inclusive"):
        Settings().set("unixsocketperm", text)


def test_what_a_signal_does_is_not_the_business_of_an_embedded_cache() -> None:
    with pytest.raises(ValueError, match="signals are the business of your application"):
        MemoryCache({"shutdown-on-sigterm": "nosave"})


def test_an_embedded_cache_tells_what_has_nothing_to_do() -> None:
    with listening() as said:
        MemoryCache({"hz": 50})
    assert said.warnings == ["these settings of Redis have no effect here: hz"]
