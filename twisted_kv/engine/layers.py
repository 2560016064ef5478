"""Layers: wrappers around command functions, in a fixed order, recomposed when one is switched on or off.

Each layer is called once for each command, and returns the function itself where it has nothing to add.  So a layer
that is off costs nothing, and one that is on costs only the commands that it concerns.
"""

from __future__ import annotations

from typing import Callable, Dict, Final

from twisted_kv.declaring.commands import Command, Function, RunFunction

Layer = Callable[[Command, Function], Function]
"""Wraps a command's function: returns one that does the layer's work and calls the given function."""
RunLayer = Callable[[Command, RunFunction], RunFunction]
"""Does the same for the function that runs many requests of a command at once."""

WAITING: Final = "waiting"
"""Lets a request wait for its key."""
JOURNAL: Final = "journal"
"""Records changes in the journal."""
TELLING: Final = "telling"
"""Puts the client's own messages about some events behind its reply."""
TRACKING: Final = "tracking"
"""Remembers which keys clients read."""
MONITOR: Final = "monitor"
"""Shows requests to those who monitor."""

ORDER: Final = (TELLING, WAITING, JOURNAL, TRACKING, MONITOR)
"""From the innermost to the outermost: a waiting request has changed nothing yet, and is not recorded."""


class Layers:
    """The layers of one cache; `changed` is called when one is switched, so that functions are recomposed.

    Where a layer concerns a command and has no `RunLayer`, requests of the command are run one by one.
    """

    def __init__(self) -> None:
        self._layers: Dict[str, Layer] = {}
        self._run_layers: Dict[str, RunLayer] = {}
        self.changed: Callable[[], None] = lambda: None

    def compose(self, command: Command) -> Function:
        """Return the function of a command, wrapped in all layers that are on."""
        function = command.function
        for name in ORDER:
            layer = self._layers.get(name)
            if layer is not None:
                function = layer(command, function)
        return function

    def compose_runs(self, command: Command) -> Dict[int, RunFunction]:
        """Return the functions that run many requests of a command at once, wrapped in all layers that are on."""
        functions = command.runs
        for name in ORDER:
            layer = self._run_layers.get(name)
            if layer is not None:
                functions = {length: layer(command, function) for length, function in functions.items()}
        return functions

    def may_run_together(self, command: Command) -> bool:
        """Check whether many requests of a command may be admitted at once: no layer has to look at each."""
        return command.may_run_together and all(
            layer(command, command.function) is command.function
            for name, layer in self._layers.items()
            if name not in self._run_layers
        )

    def switch(self, name: str, layer: Layer | None, run_layer: RunLayer | None = None) -> None:
        """Switch a layer on, or off with None, from the next request on, whatever other layers are on."""
        assert name in ORDER
        self._run_layers.pop(name, None)
        if run_layer is not None:
            self._run_layers[name] = run_layer
        if layer is None:
            self._layers.pop(name, None)
        else:
            self._layers[name] = layer
        self.changed()
