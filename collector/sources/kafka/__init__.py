"""Topics, consumer groups and their lag.

Names are those of danielqsj's kafka_exporter where it has them; where that one is wrong, this one
differs: no commit is no series (there: lag -1), lag is read in the order that can't make it
negative (there: #76, #169, #437), and a group without members keeps its series (there: #509).
"""

from collector.sources.kafka.source import MOST_REPEATS, KafkaSource

__all__ = ["MOST_REPEATS", "KafkaSource"]
