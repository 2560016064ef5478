"""What stands around the functions of commands: layers in one order, composed anew when one is switched.

A layer is asked for each command once, and returns the function itself where it has nothing to do.  So one that is off
costs nothing, and one that is on costs only the commands that it is about.
"""

from __future__ import annotations

from typing import Callable, Dict, Final

from twisted_kv.declaring.commands import Command, Function

Layer = Callable[[Command, Function], Function]
"""Makes the function of a command that does what the layer is for and calls the function that it is given."""

WAITING: Final = "waiting"
"""Has a request wait for its key."""
JOURNAL: Final = "journal"
"""Notes what was changed."""

ORDER: Final = (WAITING, JOURNAL)
"""From the innermost to the outermost: what waits has changed nothing yet, and is not noted."""


class Layers:
    """The layers of one cache; `changed` is called when one was switched, so that functions are composed anew."""

    def __init__(self) -> None:
        self._layers: Dict[str, Layer] = {}
        self.changed: Callable[[], None] = lambda: None

    def compose(self, command: Command) -> Function:
        """Give the function of a command within all layers that are on."""
        function = command.function
        for name in ORDER:
            layer = self._layers.get(name)
            if layer is not None:
                function = layer(command, function)
        return function

    def switch(self, name: str, layer: Layer | None) -> None:
        """Switch a layer on, or off with None; takes effect with the next request, whatever else is on."""
        assert name in ORDER
        if layer is None:
            self._layers.pop(name, None)
        else:
            self._layers[name] = layer
        self.changed()
