"""A JMX client without a JVM: reads the MBeans of a Java process over RMI.

    from time import monotonic
    from collector.jmx import Client, Numbers

    with Client("127.0.0.1", 9999, selection=Numbers(("java.lang:*",))) as client:
        scrape = client.scrape(monotonic() + 5)
        for layout, values in scrape.readings:
            for slot, value in zip(layout.slots, values):
                print(layout.bean.name, slot.attribute, *slot.path, value)

It reads and does nothing else: no method is invoked, no attribute set, no Java object created,
no class loaded. Calls are pipelined, so a scrape costs a few round trips however many MBeans
there are. Errors are `JmxError` with a sentence that says what to do.
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
from collector.jmx.selection import Numbers, Selection
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
