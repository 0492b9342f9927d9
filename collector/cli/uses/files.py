"""Dashboards and rule files -> their queries, each with the panel or rule that it belongs to.

Grafana's JSON in all its forms: the present one, the old one with `rows`, the one of `dashboard v2`
with `elements`, each also as the API gives it. Rule files of Prometheus, as Kubernetes wraps them
(PrometheusRule), and alert rules as Grafana provisions them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from collector.cli.uses import grafana
from collector.cli.uses.parts import Kind, Part, Text, Uses
from collector.errors import ConfigError

MOST_BYTES: Final = 32 << 20


def read_uses(path: Path) -> Uses | None:
    """Read a dashboard or a rule file; None for a file that is neither, such as a configuration.

    Raises ConfigError for what can't be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "check the path") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path}: larger than 32 MiB", "this is no dashboard")
    documents = _documents(path, data)
    parts: list[Part] = []
    notes: list[str] = []
    is_known = False
    for document in documents:
        document = _unwrapped(document)  # noqa: PLW2901
        if grafana.is_dashboard(document):
            found = grafana.Dashboard(str(path), document)
            parts += found.parts()
            notes += found.notes
            is_known = True
        elif isinstance(document, dict) and isinstance(document.get("groups"), list):
            parts += _rules(str(path), document["groups"])
            is_known = True
    return Uses(str(path), tuple(parts), tuple(notes)) if is_known else None


def _documents(path: Path, data: bytes) -> list[Any]:
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip()[:1] in {"{", "["} or path.suffix == ".json":
            document = json.loads(text)
            return document if isinstance(document, list) else [document]
        return list(yaml.safe_load_all(text))
    except json.JSONDecodeError as error:
        if path.suffix == ".json":
            message = f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}"
            raise ConfigError(message) from error
        return []  # a configuration may begin with a {: whoever reads it tells what is wrong
    except yaml.YAMLError as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            mark = error.problem_mark
            place = f"{path}:{mark.line + 1}:{mark.column + 1}"
            raise ConfigError(f"{place}: not YAML: {error.problem}") from error
        raise ConfigError(f"{path}: not YAML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: neither JSON nor YAML ({error})") from error


def _unwrapped(document: Any) -> Any:
    """Take a dashboard out of what the API and Kubernetes put around it, and rules too."""
    for key in ("dashboard", "spec"):
        inner = document.get(key) if isinstance(document, dict) else None
        if isinstance(inner, dict) and not grafana.is_dashboard(document):
            document = inner
    return document


def _rules(file: str, groups: list[Any]) -> Iterator[Part]:
    for group in groups:
        rules = group.get("rules") if isinstance(group, dict) else None
        for rule in rules if isinstance(rules, list) else ():
            if not isinstance(rule, dict):
                continue
            record = rule.get("record")
            title = record or rule.get("alert") or rule.get("title") or "(a rule without a name)"
            texts = [rule["expr"]] if "expr" in rule else _of_grafana(rule)
            kind: Kind = "record" if record else "alert"
            queries = tuple(Text(str(text), {}) for text in texts)
            yield Part(file, kind, str(title), queries, str(record or ""))


def _of_grafana(rule: dict[str, Any]) -> list[str]:
    """The queries of an alert rule of Grafana's own; expressions over them have none."""
    data = rule.get("data")
    models = [each.get("model") for each in data if isinstance(each, dict)] if data else []
    return [str(model["expr"]) for model in models if isinstance(model, dict) and model.get("expr")]
