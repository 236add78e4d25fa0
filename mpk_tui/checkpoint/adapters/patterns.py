"""Patterns of module names, matched in bounded time.

PEFT takes the keys of ``rank_pattern`` and ``alpha_pattern`` for regular expressions and matches
``(.*\\.)?(KEY)$`` from the start of a module's name (``peft/utils/other.py``, ``get_pattern_key``).  A stranger's
expression is never given to a backtracking engine here: the pieces that occur in practice (plain characters, ``.``,
``\\.``, ``\\d``, classes, groups with alternatives, ``*``, ``+``, ``?``) are compiled to a nondeterministic automaton
that is walked one character at a time, all states at once (K. Thompson, "Regular expression search algorithm", 1968).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from mpk_tui.errors import UnsupportedError

MAX_PATTERN = 1024
"""Characters of a pattern; names of modules are shorter."""
_NESTED = 16
_REMEMBERED = 4096
_CLASSES = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"}


@dataclass(eq=False)
class _State:
    """A state: characters that lead on to ``next``, and states that are reached without a character."""

    takes: frozenset[str] | None = frozenset()  # None: any character
    refuses: frozenset[str] = frozenset()
    next: _State | None = None
    free: list[_State] = field(default_factory=list)


def is_name(pattern: str) -> bool:
    """Whether a pattern is a plain name, as nearly every one is; matching one costs next to nothing."""
    return pattern.replace("_", "").replace("-", "").replace(".", "").isalnum()


def matches(pattern: str, module: str) -> bool:
    """Whether PEFT would apply a pattern to a module.

    Raises:
        UnsupportedError: The pattern uses an expression that is not read here, or is too long.
    """
    if is_name(pattern):
        before = len(module) - len(pattern)
        if before < 0 or (before and module[before - 1] != "."):
            return False
        # A dot stands for any character.
        return module.endswith(pattern) or all(p in (".", c) for p, c in zip(pattern, module[before:], strict=True))
    return _automaton(pattern).takes(module)


class _Automaton:
    """The states of a pattern; sets of them are remembered once they were met, so that a step is one look-up."""

    def __init__(self, pattern: str) -> None:
        start, self._end = _compile(pattern)
        self._start = _closure([start])
        self._anchored = pattern.startswith("^")
        self._steps: dict[tuple[frozenset[_State], str], frozenset[_State]] = {}

    def takes(self, module: str) -> bool:
        live = self._start
        for character in module:
            step = self._steps.get((live, character))
            if step is None:
                step = self._step(live, character)
            live = step
        return self._end in live

    def _step(self, live: frozenset[_State], character: str) -> frozenset[_State]:
        moved = [
            s.next
            for s in live
            if s.next is not None and (s.takes is None or character in s.takes) and character not in s.refuses
        ]
        after = _closure(moved)
        if character == "." and not self._anchored:
            after |= self._start
        if len(self._steps) > _REMEMBERED:
            self._steps.clear()
        self._steps[live, character] = after
        return after


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> _Automaton:
    return _Automaton(pattern)


def _closure(states: list[_State]) -> frozenset[_State]:
    seen: set[_State] = set()
    todo = list(states)
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += state.free
    return frozenset(seen)


def _compile(pattern: str) -> tuple[_State, _State]:
    if len(pattern) > MAX_PATTERN:
        raise _refused(pattern, f"of {len(pattern)} characters")
    body = pattern.removeprefix("^")
    reader = _Reader(body[:-1] if body.endswith("$") and not body.endswith("\\$") else body, pattern)
    made = reader.alternatives(0)
    if body != pattern and len(made[0].free) > 1:
        raise _refused(pattern, "with an anchor in one of its alternatives")
    if reader.left():
        raise _refused(pattern, f"with {reader.left()[0]!r} at character {reader.at}")
    return made


def _refused(pattern: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"a pattern {why} ({pattern[:120]!r}) is not read by this version",
        where="adapter_config.json",
        hint="Write the modules out by name, or merge the adapter with the library that made it",
    )


class _Reader:
    """Reads a pattern into states, by recursive descent to a bounded depth."""

    def __init__(self, text: str, whole: str) -> None:
        self.text, self.whole, self.at = text, whole, 0

    def left(self) -> str:
        return self.text[self.at :]

    def alternatives(self, depth: int) -> tuple[_State, _State]:
        if depth > _NESTED:
            raise _refused(self.whole, "with deeply nested groups")
        start, end = _State(), _State()
        while True:
            first, last = self._sequence(depth)
            start.free.append(first)
            last.free.append(end)
            if not self.left().startswith("|"):
                return start, end
            self.at += 1

    def _sequence(self, depth: int) -> tuple[_State, _State]:
        start = end = _State()
        while (rest := self.left()) and rest[0] not in "|)":
            first, last = self._repeated(*self._one(depth))
            end.free.append(first)
            end = last
        return start, end

    def _repeated(self, first: _State, last: _State) -> tuple[_State, _State]:
        mark = self.left()[:1]
        if mark not in ("*", "+", "?") or not mark:
            return first, last
        self.at += 1
        if self.left()[:1] == "?":  # a lazy mark takes the same names
            self.at += 1
        start, end = _State(free=[first]), _State()
        last.free.append(end)
        if mark in "*?":
            start.free.append(end)
        if mark in "*+":
            last.free.append(first)
        return start, end

    def _one(self, depth: int) -> tuple[_State, _State]:
        character = self.text[self.at]
        self.at += 1
        if character == "(":
            if self.left().startswith("?:"):
                self.at += 2
            elif self.left().startswith("?"):
                raise _refused(self.whole, "with a (? group")
            made = self.alternatives(depth + 1)
            if not self.left().startswith(")"):
                raise _refused(self.whole, "with an open group")
            self.at += 1
            return made
        end = _State()
        if character == ".":
            return _State(takes=None, next=end), end
        if character == "[":
            return self._class(end), end
        if character == "\\":
            return _State(takes=self._escaped(), next=end), end
        if character in "*+?{}^$]":
            raise _refused(self.whole, f"with {character!r} at character {self.at - 1}")
        return _State(takes=frozenset(character), next=end), end

    def _escaped(self) -> frozenset[str]:
        character = self.left()[:1]
        self.at += 1
        if character in _CLASSES:
            return frozenset(_CLASSES[character])
        if not character or character.isalnum():
            raise _refused(self.whole, f"with \\{character}")
        return frozenset(character)

    def _class(self, end: _State) -> _State:
        close = self.text.find("]", self.at + 1)
        inside = self.text[self.at : close] if close > 0 else ""
        if not inside or "[" in inside or "\\" in inside:
            raise _refused(self.whole, "with a class that is not plain")
        self.at = close + 1
        negated = inside.startswith("^")
        inside = inside[1:] if negated else inside
        taken: set[str] = set()
        at = 0
        while at < len(inside):
            if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
                low, high = ord(inside[at]), ord(inside[at + 2])
                if high > 127 or low > high:
                    raise _refused(self.whole, "with a class that is not plain")
                taken |= {chr(c) for c in range(low, high + 1)}
                at += 3
            else:
                taken.add(inside[at])
                at += 1
        if negated:
            return _State(takes=None, refuses=frozenset(taken), next=end)
        return _State(takes=frozenset(taken), next=end)
