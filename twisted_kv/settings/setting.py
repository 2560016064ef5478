"""What is known of one setting."""

from __future__ import annotations

from typing import Any, Final

import attrs

from twisted_kv.settings.kinds import Kind

FIXED: Final = "immutable"
PROTECTED: Final = "protected"


@attrs.frozen
class Setting:
    """One setting: its redis.conf name, how it is read, what it is for, and why CONFIG SET cannot change it, if so."""

    name: str
    kind: Kind
    purpose: str
    fixed: str = ""
    alias_of: str = ""
    """The name that it has today, if this one is of an earlier Redis."""

    @property
    def attribute(self) -> str:
        """The name of its field."""
        return (self.alias_of or self.name).replace("-", "_")

    def get(self, settings: Any) -> Any:
        """Return its value."""
        return getattr(settings, self.attribute)

    def put(self, settings: Any, value: Any) -> None:
        """Give it another value; raises ValueError for one that it cannot have."""
        setattr(settings, self.attribute, self.kind.merge(self.get(settings), value))
