"""PromQL of docs/groups-and-topics.md, by Prometheus's own tool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/groups-and-topics.md"
LABELS = '{site="s",node="n",consumergroup="g",topic="t"}'


def judge(promtool: Path, folder: Path, test: Mapping[str, object]) -> None:
    file = folder / "case.yaml"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}))
    command: list[str | Path] = [promtool, "test", "rules", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def queries() -> list[str]:
    blocks = PAGE.read_text().split("```promql\n")[1:]
    return [block.partition("```")[0].strip() for block in blocks]


def test_what_is_left_until_loss_counts_down_while_a_site_is_dark(promtool: Path, tmp_path: Path):
    """An hour of rounds that say less each minute, then nothing, then the site is back."""
    (query,) = (one for one in queries() if "time_to_loss" in one)
    series = f"edgevitals_group_time_to_loss_seconds{LABELS}"
    expected = {"30m": 84_600, "1h": 82_800, "13h": 39_600, "3d": -172_800, "3d2h": 86_400}

    def case(at: str, value: int) -> dict[str, object]:
        labels = LABELS.strip("{}").split(",")
        told = "{" + ", ".join(sorted(labels)) + "}"
        return {"expr": query, "eval_time": at, "exp_samples": [{"labels": told, "value": value}]}

    test = {
        "interval": "1m",
        "input_series": [
            {"series": series, "values": f"86400-60x60 stale _x{3 * 1440 + 58} 86400x60"}
        ],
        "promql_expr_test": [case(at, value) for at, value in expected.items()],
    }
    judge(promtool, tmp_path, test)


def test_two_collectors_that_tell_the_same_do_not_count_twice(promtool: Path, tmp_path: Path):
    (query,) = (one for one in queries() if "edgevitals_topic_end_offsets" in one)
    series = 'edgevitals_topic_end_offsets{{site="s",topic="t",job="k",node="{0}",instance="{0}"}}'
    test = {
        "interval": "1m",
        "input_series": [{"series": series.format(node), "values": "7x5"} for node in "ab"],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "3m",
                "exp_samples": [{"labels": '{topic="t"}', "value": 7}],
            }
        ],
    }
    judge(promtool, tmp_path, test)
