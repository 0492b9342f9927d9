"""A JMX client without a JVM: reads the MBeans of a Java process over RMI.

    from time import monotonic
    from collector.jmx import Client, Numbers

    with Client("127.0.0.1", 9999, selection=Numbers(["java.lang:*"])) as client:
        scrape = client.scrape(monotonic() + 5)
        for layout, values in scrape.readings:
            for slot, value in zip(layout.slots, values):
                print(layout.bean.name, slot.attribute, *slot.path, value)

It reads and does nothing else: no method is called, no attribute set, no class loaded, no Java
object made; the code for it is not there. Standard library only, and nothing of the package
around it.

**Reading.** `Client.scrape` connects when it must, finds the MBeans, and reads all that the
`Selection` wants; `names`, `info` and `get` are for a look at single MBeans. Calls are pipelined:
a scrape costs a few round trips however many MBeans there are. MBeans that come and go are found
within `refresh_s`. A selection that is `Narrowed` says what the server need not send: a broker with
10,000 partitions has 110,000 MBeans. Every method takes a deadline, a `time.monotonic()` value.

**Values.** A `Layout` says where the values of one MBean's answer stand: `slots[i]` belongs to
`values[i]`. It is the same object from scrape to scrape, with a `tag` for what the caller wants to
keep beside it, such as the ids of time series: the steady round is then one loop over numbers. A
`Slot` has the attribute, the path into composite and tabular data (a `Row` stands for the index
columns of a table's row), and the Java type. Integral numbers are int, float and double are float
(NaN and infinities too), booleans bool, text and enum constants str. Null, arrays and other
objects have no slot.

**What goes wrong** is a `JmxError` with a sentence on what to do: `Unreachable`,
`PeerBrokeProtocol` or `CallFailed`. Functions of the caller (selection, password, TLS context) may
raise what they like, it passes through. A scrape puts up with much: lost sockets, sessions that
are over, attributes that can't be sent (left out and named in `Scrape.failures`), MBeans that hang
(one scrape fails, then they are left out and tried again at growing intervals). The next scrape
after a JVM's restart reads it anew.

**Bounds.** A server may send anything: bytes, items, depth and time of a reply are bounded by
`Limits`, and so is what is kept of it. A window of 64 calls and 16 KiB is under way at most.

**Security.** Calls go to the host that was given and not to the one that the server names; see
`follow_stub`. With `tls` nothing is said to a server without it. A user with read access
("readonly" in the JVM's access file) is enough.

Tried with OpenJDK 17 and 25. Not with Java 8 and OpenJ9, whose wire should be the same.
"""

from __future__ import annotations

from collector.jmx.bean import Bean, Failure, Layout
from collector.jmx.client import Client
from collector.jmx.connection import tls_context
from collector.jmx.errors import CallFailed, JmxError, PeerBrokeProtocol, Unreachable
from collector.jmx.limits import Limits
from collector.jmx.mbeans import AttributeInfo, BeanInfo
from collector.jmx.objectname import ObjectName, unquote
from collector.jmx.scrape import Scrape
from collector.jmx.selection import Narrowed, Numbers, Selection
from collector.jmx.session import Counts
from collector.jmx.values import Row, Slot, Value

__all__ = [
    "AttributeInfo",
    "Bean",
    "BeanInfo",
    "CallFailed",
    "Client",
    "Counts",
    "Failure",
    "JmxError",
    "Layout",
    "Limits",
    "Narrowed",
    "Numbers",
    "ObjectName",
    "PeerBrokeProtocol",
    "Row",
    "Scrape",
    "Selection",
    "Slot",
    "Unreachable",
    "Value",
    "tls_context",
    "unquote",
]
