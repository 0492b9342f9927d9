"""How much a server may make us read and keep.

The largest honest answer met so far (names and classes of 111,000 MBeans) has 10 MB, 333,000 items
and a depth of 4. A stream of Java objects has no length in front, so each bound is checked while
reading.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of one reply, then of what is kept."""

    reply_bytes: int = 16 << 20
    held_bytes: int = 64 << 20  # what the decoded reply takes in memory, by its own count
    items: int = 500_000  # objects, strings, arrays, class descriptors: all that gets a handle
    array: int = 200_000  # elements of one array
    text: int = 1 << 20  # bytes of one string
    depth: int = 60  # objects inside objects; each level costs three Python frames
    fields: int = 512  # of one class
    superclasses: int = 32  # of one class
    slots: int = 20_000  # values in the attributes of one MBean

    # Of all replies together:
    beans: int = 100_000  # that are read; 10,000 partitions have about 90,000
    values: int = 1_000_000  # in one scrape
    template_bytes: int = 8 << 20  # see `templates`
    info_bytes: int = 32 << 20  # what MBeans say of themselves, as it came
