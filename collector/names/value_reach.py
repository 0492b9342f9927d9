"""Whether a pattern can see the value of an attribute.

A rule's pattern is matched against `domain<k=v, k=v><path>attribute: value`. Most patterns end at
the attribute's name. For those the answer is the same whatever the value, and they are matched
once per attribute; the others are matched again whenever the value changes. What is decided here
must be right for every number: a pattern that can't be proved blind counts as one that looks.

The proof: the text of a number or boolean knows 24 characters. If a pattern must match some other
character, say the `>` of `><>` or the `C` of `Count`, then everything up to its last such
character is matched in front of the value; and if nothing after it can match a space, the match
ends in front of `: `.
"""

from __future__ import annotations

from itertools import takewhile

from collector.names.regex_tree import (
    Anchor,
    AnyChar,
    BackReference,
    Char,
    CharSet,
    Group,
    Look,
    Node,
    Repeat,
    Sequence_,
)

VALUE_CHARACTERS = frozenset("0123456789.-+ENaInfitytruefalse")
"""All that `Long.toString`, `Double.toString` and `Boolean.toString` can write."""


_ANY_REST = (Repeat(AnyChar(), 0, None), Repeat(AnyChar(), 1, None))


def is_blind(branches: tuple[Sequence_, ...], used: frozenset[int] | None = None) -> bool:
    """Say whether the outcome and the captures are the same for every number and boolean.

    `used` are the groups that somebody asks for, None: all of them.
    """
    if used and 0 in used:
        return False
    return all(_is_blind_branch(branch, used) for branch in branches)


def literal_runs(branches: tuple[Sequence_, ...]) -> tuple[str, ...]:
    """Return texts that every match contains, in their order; none for alternatives.

    A cheap test before the expensive one: most attributes lack one of them.
    """
    if len(branches) != 1:
        return ()
    runs: list[str] = []
    run = ""
    for node, _ in _flat(branches[0], None, captured=False):
        if isinstance(node, Char) and not (node.ignore_case and node.text.isalpha()):
            run += node.text
            continue
        if run and not isinstance(node, Anchor):
            runs.append(run)
            run = ""
    return (*runs, run) if run else tuple(runs)


def bean_part(branches: tuple[Sequence_, ...]) -> Sequence_ | None:
    """Return the front of a pattern that must match in `domain<k=v>`: all up to the `>` of `><`.

    None where that can't be told.
    """
    if len(branches) != 1:
        return None
    branch = branches[0]
    for i in range(1, len(branch)):
        if branch[i - 1] == Char(">") and branch[i] == Char("<"):
            part = branch[:i]
            is_plain = not any(_looks_around(node) for node in part)
            return part if is_plain else None
    return None


def _looks_around(node: Node) -> bool:
    match node:
        case Look() | BackReference():
            return True
        case Anchor(_, is_end):
            return is_end
        case Repeat(inner):
            return _looks_around(inner)
        case Group(_, branches):
            return any(_looks_around(each) for branch in branches for each in branch)
        case _:
            return False


def head_of_run(run: str) -> str:
    """Return the part of a run that can't lie in a number's text: up to its last other character.

    A run such as `State: 3` reaches over the end of the attribute into the value.
    """
    end = max((i for i, char in enumerate(run) if char not in VALUE_CHARACTERS), default=-1)
    return run[: end + 1].rstrip(" ")


def _is_blind_branch(branch: Sequence_, used: frozenset[int] | None) -> bool:
    items = _flat(branch, used, captured=False)
    if any(isinstance(node, Look) and _matches_space(node) for node, _ in items):
        return False
    last = max(
        (i for i, (node, _) in enumerate(items) if isinstance(node, Char) and _is_other(node)),
        default=-1,
    )
    tail = items[last + 1 :]
    if last >= 0 and tail and _text(tail[0]) == " ":
        tail = tail[1:]
        if _text(items[last]) == ":":  # that was `: `; what follows would be the value
            return _is_wildcard(tail)
    near = list(takewhile(lambda item: not _matches_space(item[0]), tail))
    if last < 0 and near:
        return False  # nothing holds these in front of the value
    if any(isinstance(node, BackReference) for node, _ in near):
        return False
    return _is_wildcard(tail[len(near) :])


def _is_wildcard(items: list[tuple[Node, bool]]) -> bool:
    """Say whether these match any rest of the text and keep nothing of it: `.*`, `.*$`, nothing.

    `.+` does too: the text of a number is never empty.
    """
    if items and not items[0][1] and items[0][0] in _ANY_REST:
        items = items[1:]
        if items and items[0] == (Anchor("$", is_end=True), False):
            items = items[1:]
    return not items


def _is_other(node: Char) -> bool:
    spellings = {node.text.lower(), node.text.upper()} if node.ignore_case else {node.text}
    return not spellings & (VALUE_CHARACTERS | {" "})


def _text(item: tuple[Node, bool]) -> str:
    return item[0].text if isinstance(item[0], Char) else ""


def _flat(
    branch: Sequence_, used: frozenset[int] | None, *, captured: bool
) -> list[tuple[Node, bool]]:
    """Return the nodes of a branch with plain brackets taken away, each with `is it asked for`."""
    found: list[tuple[Node, bool]] = []
    for node in branch:
        if isinstance(node, Group) and len(node.branches) == 1 and node.opener != "(?>":
            is_used = node.number > 0 and (used is None or node.number in used)
            found += _flat(node.branches[0], used, captured=captured or is_used)
        else:
            found.append((node, captured))
    return found


def _matches_space(node: Node) -> bool:
    match node:
        case Char(text):
            return text == " "
        case AnyChar():
            return True
        case CharSet(_, matches_space):
            return matches_space
        case Anchor():
            return False
        case BackReference():
            return True
        case Repeat(inner):
            return _matches_space(inner)
        case Group(_, branches) | Look(_, branches):
            return any(_matches_space(each) for branch in branches for each in branch)
