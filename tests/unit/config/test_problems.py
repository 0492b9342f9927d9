"""How problems are shown, and what is never shown."""

from __future__ import annotations

import pytest

from collector.config.problems import MOST_SHOWN, Place, Problems, quoted, shown_path


def test_paths_are_written_as_people_say_them():
    assert shown_path(("sources", "jmx", 0, "address")) == "sources.jmx[0].address"
    assert shown_path(("kafka", "sasl.username")) == "kafka.sasl.username"
    assert shown_path(()) == ""


def test_a_problem_points_at_its_line():
    problems = Problems("c.yaml", "sources:\n  jmx:\n    intervall: 15s\n")
    problems.error(Place(3, 5, 3, 14), 'unknown key (did you mean "interval"?)', ("a", 0, "b"))
    assert problems.render() == (
        'c.yaml:3:5: error: a[0].b: unknown key (did you mean "interval"?)\n'
        "    2 |   jmx:\n"
        "    3 |     intervall: 15s\n"
        "      |     ^^^^^^^^^\n"
        "1 error"
    )


def test_problems_come_in_the_order_of_the_file_and_then_of_the_environment():
    problems = Problems("f", "a\nb\n")
    problems.error(Place(variable="EDGEVITALS_X"), "third")
    problems.warning(Place(2, 1, 2, 2), "second")
    problems.error(Place(1, 1, 1, 2), "first")
    problems.error(Place(1, 1, 1, 2), "first")
    said = [line for line in problems.render().splitlines() if ": " in line]
    assert said == ["f:1:1: error: first", "f:2:1: warning: second", "EDGEVITALS_X: error: third"]
    assert problems.render().endswith("2 errors, 1 warning")
    assert problems.has_errors
    assert problems.warnings == ["f:2:1: warning: second"]


def test_a_long_line_is_shown_around_the_place():
    text = "x" * 500 + "HERE" + "y" * 500
    problems = Problems("f", "short\n" + text)
    problems.error(Place(2, 501, 2, 505), "m")
    _, line, carets, _ = problems.render().splitlines()
    assert len(line) < 140
    assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_more_problems_than_anyone_reads_are_counted():
    problems = Problems("f", "\n" * 100)
    for line in range(1, 81):
        problems.error(Place(line, 1, line, 2), "m")
    assert problems.render().count("error: m") == MOST_SHOWN
    assert problems.render().endswith("and 30 more\n80 errors")


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2",
        "  sasl.password: 'hunter2'",
        "{token: hunter2, a: b}",
        "sasl.jaas.config: x required password=hunter2;",
        "client_secret = hunter2",
        "url: https://me:hunter2@host/path",
        "ssl.key.passphrase:   hunter2 and more",
        '"sasl.password": hunter2',
    ],
)
def test_a_secret_is_not_shown_even_when_the_file_is_not_yaml(line):
    problems = Problems("f", line)
    problems.error(Place(1, 1, 1, 2), "m")
    assert "hunter2" not in problems.render()
    assert "***" in problems.render()


def test_a_path_of_a_secret_is_shown():
    problems = Problems("f", "token_file: /run/secrets/token")
    problems.error(Place(1, 1, 1, 2), "m")
    assert "/run/secrets/token" in problems.render()


def test_a_hidden_span_of_many_lines_is_not_shown():
    problems = Problems("f", "a: |\n  hunter2\n  hunter2\nb: x\n")
    problems.hide(Place(1, 4, 4, 1))
    for line in range(1, 5):
        problems.error(Place(line, 1, line, 2), "m")
    shown = problems.render()
    assert "hunter2" not in shown
    assert "    4 | b: x" in shown


def test_a_terminal_gets_nothing_to_obey():
    problems = Problems("f", "a: \x1b[31mred\x07\n")
    problems.error(Place(1, 4, 1, 5), f"{quoted(chr(27) + '[2J')} is wrong")
    assert problems.render().isascii()
    assert "\x1b" not in problems.render()
    assert "\x07" not in problems.render()


def test_values_are_quoted_short():
    assert quoted("x" * 100) == f'"{"x" * 57}..."'
    assert quoted("a\nb") == '"a b"'
