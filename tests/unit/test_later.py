"""In processes of their own: this one has imported everything already."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_module_is_there_when_it_is_used():
    python(
        "import sys\n"
        "from collector.later import import_later\n"
        "import_later('asyncio')\n"
        "import asyncio\n"
        "assert 'asyncio.events' not in sys.modules\n"
        "async def answer(): return 42\n"
        "assert asyncio.run(answer()) == 42\n"
        "assert sys.modules['asyncio'].run is asyncio.run\n"
        "import asyncio\n"
        "assert asyncio is sys.modules['asyncio']\n"
    )


@pytest.mark.parametrize("first", ["from asyncio import run", "import asyncio.events"])
def test_parts_of_a_module_are_there_too(first):
    python(
        f"from collector.later import import_later\nimport_later('asyncio')\n{first}\n"
        "import asyncio\nassert asyncio.events.__name__ == 'asyncio.events'\n"
    )


def test_a_module_that_is_there_stays_as_it_is():
    python(
        "import json, sys\n"
        "from collector.later import import_later\n"
        "import_later('json')\n"
        "assert sys.modules['json'] is json\n"
    )


@pytest.mark.parametrize("module", ["topic.reader", "topic.writer", "admin.child", "app"])
def test_the_program_has_no_event_loop(module):
    python(f"import sys, collector.{module}\nassert 'asyncio.events' not in sys.modules\n")
