"""What several doors to one receiver have done, together."""

from __future__ import annotations

from collector.sinks.stats import SinkStats, total


def test_counts_add_up_and_the_newest_time_counts():
    one = SinkStats(bytes_sent=3, samples_delivered=5, already_stored=1, last_success_s=20.0)
    one.requests["204"] = 2
    one.unsendable["label_size"] = 1
    two = SinkStats(bytes_sent=4, samples_delivered=6, last_success_s=10.0)
    two.requests.update({"204": 1, "503": 1})
    whole = total([one, two, SinkStats()])
    assert whole.requests == {"204": 3, "503": 1}
    assert whole.unsendable == {"label_size": 1}
    assert (whole.bytes_sent, whole.samples_delivered, whole.already_stored) == (7, 11, 1)
    assert whole.last_success_s == 20.0
    assert total([]) == SinkStats()
