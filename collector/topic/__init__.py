from __future__ import annotations

from collector.later import import_later

import_later("asyncio")  # confluent_kafka does, for clients that are not ours: 2.7 MiB
