"""The description of one setting."""

from __future__ import annotations

from typing import Any, Final

import attrs

from twisted_kv.settings.kinds import Kind

FIXED: Final = "immutable"
PROTECTED: Final = "protected"


@attrs.frozen
class Setting:
    """One setting: its redis.conf name, its kind, its purpose, and why CONFIG SET cannot change it, if it cannot."""

    name: str
    kind: Kind
    purpose: str
    fixed: str = ""
    alias_of: str = ""
    """Its current name, if `name` is from an earlier version of Redis."""

    @property
    def attribute(self) -> str:
        """The name of its field in `Settings`."""
        return (self.alias_of or self.name).replace("-", "_")

    def get(self, settings: Any) -> Any:
        """Return the value in `settings`."""
        return getattr(settings, self.attribute)

    def put(self, settings: Any, value: Any) -> None:
        """Set the value in `settings`; raises ValueError for an invalid one."""
        setattr(settings, self.attribute, self.kind.merge(self.get(settings), value))
