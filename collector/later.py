"""Modules of the standard library that a dependency imports and we never come to need.

`importlib.util.LazyLoader` is made for this, but the second `import` of a module is enough to make
it load (3.11 to 3.13), and the first one is ours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def import_later(name: str) -> None:
    """Let `import NAME` cost nothing until something of the module is used."""
    if name not in sys.modules:
        sys.modules[name] = _Later(name)


class _Later(ModuleType):
    """Stands in for a module, and is asked for what it does not have: for everything."""

    def __getattr__(self, attribute: str) -> Any:
        name = self.__name__
        if sys.modules.get(name) is self:
            sys.modules.pop(name, None)
        return getattr(import_module(name), attribute)
