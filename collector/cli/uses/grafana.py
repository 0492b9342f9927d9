"""A dashboard of Grafana -> its panels, variables and annotations with their queries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from collector.cli.uses.parts import Part, Text

DEEPEST: Final = 10

_OTHER_SOURCES: Final = re.compile(
    r"loki|elastic|opensearch|influx|graphite|cloudwatch|sql|tempo|jaeger|zipkin|testdata|__expr__"
    r"|azure|stackdriver|opentsdb|pyroscope|parca|alertmanager|clickhouse|^grafana$|-- Grafana --"
)
_BUILT_IN: Final = frozenset({"__expr__", "-- Grafana --", "grafana"})
_LABEL_VALUES: Final = re.compile(r"label_values\((?:(.+),)?\s*([\w$\[\]{}:]+)\s*\)", re.DOTALL)
_OF_ONE: Final = re.compile(r"(query_result|metrics|label_names)\((.*)\)", re.DOTALL)
_FIXED: Final = frozenset({"constant", "custom", "textbox", "interval"})


def is_dashboard(document: Any) -> bool:
    return isinstance(document, dict) and (
        isinstance(document.get("panels"), list)
        or isinstance(document.get("rows"), list)
        or isinstance(document.get("elements"), dict)
    )


class Dashboard:
    """One dashboard. `notes` is what can't be seen from this file, once the parts were read."""

    def __init__(self, file: str, document: dict[str, Any]) -> None:
        self.notes: list[str] = []
        self._file = file
        self._document = document
        self._libraries = _dict(document.get("__elements"))
        self._sources = {
            f"${{{one.get('name')}}}": str(one.get("pluginId", ""))
            for one in _dicts(document.get("__inputs"))
        }
        self._variables = [*_old_variables(document), *_new_variables(document)]
        self._values = {
            one["name"]: value
            for one in self._variables
            if one["type"] in _FIXED and (value := _fixed_value(one))
        }
        for one in self._variables:
            if one["type"] == "datasource":
                self._sources[f"${{{one['name']}}}"] = str(one["query"])

    def parts(self) -> Iterator[Part]:
        for one in self._variables:
            text = _of_variable(one["query"]) if one["type"] == "query" else ""
            if text and self._is_prometheus(one["datasource"]):
                yield Part(self._file, "variable", f"variable {one['name']}", (self._text(text),))
        for title, text, source in (*_old_annotations(self._document), *_new_ones(self._document)):
            if self._is_prometheus(source):
                yield Part(self._file, "annotation", f"annotation {title}", (self._text(text),))
        for panel in _panels(self._document, 0):
            yield from self._panel(panel)
        for element in _dict(self._document.get("elements")).values():
            yield from self._element(_dict(element))

    def _panel(self, panel: dict[str, Any]) -> Iterator[Part]:
        library = _dict(panel.get("libraryPanel"))
        if library and not panel.get("targets"):
            kept = _dict(self._libraries.get(str(library.get("uid")))) or library
            model = _dict(kept.get("model"))
            if not model:
                title = library.get("name") or panel.get("title")
                self.notes.append(f'library panel "{title}" is kept in Grafana, not in this file')
                return
            panel = model | {"title": panel.get("title") or model.get("title")}
        targets = [
            target
            for target in _dicts(panel.get("targets"))
            if isinstance(target.get("expr"), str)
            and target["expr"].strip()
            and self._is_prometheus(target.get("datasource") or panel.get("datasource"))
        ]
        if not targets:
            return
        is_hidden = [bool(target.get("hide")) for target in targets]
        texts = tuple(
            self._text(target["expr"], is_shown=not hidden or all(is_hidden))
            for target, hidden in zip(targets, is_hidden, strict=True)
        )
        title = str(panel.get("title") or f"panel {panel.get('id', '')}".strip())
        yield Part(self._file, "panel", title, texts)

    def _element(self, element: dict[str, Any]) -> Iterator[Part]:
        """A panel of a dashboard v2."""
        spec = _dict(element.get("spec"))
        title = str(spec.get("title") or f"panel {spec.get('id', '')}".strip())
        if element.get("kind") == "LibraryPanel":
            self.notes.append(f'library panel "{title}" is kept in Grafana, not in this file')
        texts = []
        for query in _dicts(_dict(_dict(spec.get("data")).get("spec")).get("queries")):
            inside = _dict(query.get("spec"))
            kind, expr = _query(inside.get("query"))
            if expr and self._is_prometheus(_kind(kind) or inside.get("datasource")):
                texts.append(self._text(expr, is_shown=not inside.get("hidden")))
        if texts:
            yield Part(self._file, "panel", title, tuple(texts))

    def _text(self, text: str, *, is_shown: bool = True) -> Text:
        return Text(text, self._values, is_shown)

    def _is_prometheus(self, source: Any) -> bool:
        """Say whether a data source may be Prometheus: all may that are not known for another."""
        name, kind = source, ""
        if isinstance(source, dict):
            name = source.get("uid") or source.get("name")
            kind = str(source.get("type") or source.get("group") or "")
        if isinstance(name, str) and not kind:
            known = name.replace("[[", "${").replace("]]", "}")
            known = re.sub(r"^\$(\w+)$", r"${\1}", known)
            kind = self._sources.get(known, name if name in _BUILT_IN else "")
        return _OTHER_SOURCES.search(kind) is None


def _panels(holder: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """All panels, those inside of rows too."""
    if depth > DEEPEST:
        return
    for panel in _dicts(holder.get("panels")):
        yield panel
        yield from _panels(panel, depth + 1)
    for row in _dicts(holder.get("rows")):
        yield from _panels(row, depth + 1)


def _old_variables(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in _dicts(_dict(document.get("templating")).get("list")):
        query = one.get("query")
        yield {
            "name": str(one.get("name", "")),
            "type": str(one.get("type", "")),
            "query": query.get("query", "") if isinstance(query, dict) else query or "",
            "current": _dict(one.get("current")).get("value"),
            "datasource": one.get("datasource"),
        }


def _new_variables(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not isinstance(document.get("elements"), dict):
        return
    for one in _dicts(document.get("variables")):
        spec = _dict(one.get("spec"))
        query = spec.get("query")
        kind = None
        if isinstance(query, dict):
            kind = query.get("group") or query.get("kind")
            inside = _dict(query.get("spec"))
            query = inside.get("query") or inside.get("expr") or ""
        yield {
            "name": str(spec.get("name", "")),
            "type": str(one.get("kind", "")).removesuffix("Variable").lower(),
            "query": query or spec.get("pluginId") or "",
            "current": _dict(spec.get("current")).get("value"),
            "datasource": _kind(kind),
        }


def _fixed_value(variable: dict[str, Any]) -> str:
    """Return the value that a variable was saved with; empty for all, several, or none."""
    current = variable["current"]
    if isinstance(current, list) and len(current) == 1:
        current = current[0]
    if not isinstance(current, str) or not current:
        current = str(variable["query"]).split(",")[0].rpartition(" : ")[2].strip()
    return "" if current.startswith(("$", "All")) else current


def _of_variable(text: Any) -> str:
    """Return the query inside of `label_values(...)` and its like."""
    if not isinstance(text, str):
        return ""
    if found := _LABEL_VALUES.fullmatch(text.strip()):
        return (found[1] or "").strip()
    if found := _OF_ONE.fullmatch(text.strip()):
        if found[1] == "metrics":
            pattern = found[2].strip().strip("\"'")
            return f'{{__name__=~".*(?:{pattern}).*"}}' if '"' not in pattern else ""
        return found[2] if found[1] == "query_result" else ""
    return text


def _old_annotations(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    annotations = document.get("annotations")
    for one in _dicts(annotations.get("list") if isinstance(annotations, dict) else None):
        text = one.get("expr") or _dict(one.get("target")).get("expr")
        if isinstance(text, str) and text:
            yield str(one.get("name", "")), text, one.get("datasource")


def _new_ones(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    annotations = document.get("annotations")
    for one in _dicts(annotations if isinstance(annotations, list) else None):
        spec = _dict(one.get("spec"))
        kind, text = _query(spec.get("query"))
        if text:
            yield str(spec.get("name", "")), text, _kind(kind) or spec.get("datasource")


def _query(query: Any) -> tuple[str, str]:
    """Return kind of data source and text of a query of a dashboard v2."""
    inside = _dict(query)
    expr = _dict(inside.get("spec")).get("expr")
    kind = inside.get("group") or inside.get("kind") or ""
    return str(kind), expr if isinstance(expr, str) else ""


def _kind(text: Any) -> dict[str, Any] | None:
    return {"type": text} if text else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
