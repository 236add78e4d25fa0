"""Statements of custody: which fields each act has, what may stand in them, and what a chain of them makes one ask.

The table `ACTS` is data: the command line makes its options of it, a form its fields, and a listing its words.
Statements are claims of the person who makes them.  Nothing here is measured, no verdict reads them, and none can be
taken back; a mistake is put right by another statement.  The time of the event is the person's (``when``, UTC) and
stands beside the journal's own time of writing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mpk_tui.errors import UsageError

TEXT, TIME, CHOICE = "text", "time", "choice"
MAX_FIELD = 500
"""Characters of one field; longer accounts are the free text's."""
MAX_STATEMENT = 100_000
"""Characters of the free text."""


@dataclass(frozen=True)
class Field:
    """One named field of an act.

    Attributes:
        name: Key in the journal.
        label: As a form names it.
        about: What belongs there, in a few words.
        kind: ``text``, ``time`` (stored as ``YYYY-MM-DDTHH:MM:SSZ``) or ``choice``.
        needed: Without a free text, the act says too little without this field.
        options: For a choice: what it may be.
    """

    name: str
    label: str
    about: str
    kind: str = TEXT
    needed: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act:
    """One kind of statement.

    Attributes:
        name: Act in the journal.
        title: As people call it.
        about: When it is stated.
        fields: In the order in which they are asked and shown.
    """

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """A field by its name."""
        return next((f for f in self.fields if f.name == name), None)


_WHEN = Field("when", "When (UTC)", "time of the event, e.g. 2026-11-26T13:05Z; not the time of writing", TIME)
_PLACE = Field("place", "Place", "room, cabinet or site")

ACTS: Mapping[str, Act] = {
    a.name: a
    for a in (
        Act(
            "intake", "Intake", "The exhibit came into your hands.",
            (
                Field("from", "Received from", "person or body that handed it over", needed=True),
                Field("to", "Received by", "who holds it from now on", needed=True),
                _WHEN,
                Field("how", "How", "by hand, by courier with its number, as an image"),
                Field("seal", "Seal number", "as printed on the seal"),
                Field("condition", "Condition", "of wrapping and medium on arrival"),
                _PLACE,
            ),
        ),
        Act(
            "transfer", "Transfer", "It went from one person to another.",
            (
                Field("from", "From", "who held it", needed=True),
                Field("to", "To", "who holds it from now on", needed=True),
                _WHEN,
                Field("how", "How", "by hand, by courier with its number"),
                Field("seal", "Seal number", "as printed on the seal it travelled under"),
                _PLACE,
            ),
        ),
        Act(
            "seal_check", "Seal check", "Somebody looked at the seal.",
            (
                Field("seal", "Seal number", "as printed on the seal", needed=True),
                Field("intact", "Intact", "yes or no", CHOICE, True, ("yes", "no")),
                _WHEN,
                Field("by", "Checked by", "who looked, if it was not you"),
            ),
        ),
        Act(
            "mount", "Mount", "The medium was connected for reading.",
            (
                Field("device", "Device", "medium or image, with its serial number", needed=True),
                Field("read_only", "Read-only how", "write blocker, mount option, or: not protected", needed=True),
                Field("with", "By what", "model of the write blocker, or the command and its version"),
                _WHEN,
                Field("by", "Mounted by", "who did it, if it was not you"),
            ),
        ),
    )
}  # fmt: skip
"""The acts, with their fields."""

ALIASES: Mapping[str, str] = {"seal": "seal_check", "seal-check": "seal_check"}
"""Other spellings of acts on a command line."""


@dataclass(frozen=True)
class Statement:
    """A statement of custody as the journal has it.

    Attributes:
        seq: Number of its entry.
        at: When it was written down, milliseconds since the Unix epoch.
        who: Who states it.
        act: One of `ACTS`.
        artifact: Id of the artifact concerned, or empty for all of them.
        fields: Named fields that were filled in, in the table's order.
        text: Free text.
    """

    seq: int
    at: int
    who: str
    act: str
    artifact: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def sentence(self) -> str:
        """Fields and text on one line; holds a person's own words."""
        return in_words(self.fields, self.text)


def in_words(fields: Mapping[str, str], text: str) -> str:
    """``from A; to B; seal 7; read only: …; free text``: names with a blank for ``_``."""
    return "; ".join([*(f"{name.replace('_', ' ')} {value}" for name, value in fields.items()), *([text] * bool(text))])


def act_of(name: str) -> Act:
    """An act by its name or another spelling of it.

    Raises:
        UsageError: There is none.
    """
    found = ACTS.get(ALIASES.get(name, name))
    if found is None:
        raise UsageError(f"custody act {name!r}; known are {', '.join(ACTS)}")
    return found


def checked(act: Act, text: str, given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a statement as they are journalled: known, filled in, times in UTC.

    Args:
        act: What is stated.
        text: The free text.
        given: Fields by name; empty ones are left out.

    Raises:
        UsageError: A field is unknown, too long, on several lines or no time; or too little is said.
    """
    unknown = [n for n in given if act.field(n) is None]
    if unknown:
        raise UsageError(
            f"{act.name} has no field {unknown[0]!r}", hint=f"Known: {', '.join(f.name for f in act.fields)}"
        )
    out = {f.name: _value(act, f, given[f.name]) for f in act.fields if given.get(f.name, "").strip()}
    if len(text) > MAX_STATEMENT:
        raise UsageError(
            f"a statement of {len(text)} characters (at most {MAX_STATEMENT})", hint="Attach a long account as a file"
        )
    if not text.strip():
        missing = [f.name for f in act.fields if f.needed and f.name not in out]
        if missing:
            raise UsageError(
                f"a statement of custody needs text, or {' and '.join(f.label for f in act.fields if f.needed)}",
                where=missing[0],
            )
    return out


def _value(act: Act, row: Field, given: str) -> str:
    value = given.strip()
    where = f"{act.name}, {row.name}"
    if len(value) > MAX_FIELD:
        raise UsageError(f"{len(value)} characters (at most {MAX_FIELD})", where=where, hint="The rest is text")
    if len(value.splitlines()) > 1:
        raise UsageError("is one line", where=where, hint="Put a longer account into the text")
    if row.kind == CHOICE:
        value = {"y": "yes", "n": "no"}.get(value.lower(), value.lower())
        if value not in row.options:
            raise UsageError(f"{given!r} is not one of {', '.join(row.options)}", where=where)
    if row.kind == TIME:
        return utc(value, where)
    return value


_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?\Z", re.IGNORECASE)


def utc(text: str, where: str = "time") -> str:
    """A time as ``YYYY-MM-DDTHH:MM:SSZ``, or a day as ``YYYY-MM-DD``; one without a zone is UTC.

    Raises:
        UsageError: It is no time.
    """
    hint = "Write 2026-11-26T13:05Z, 2026-11-26 14:05+01:00, or the day alone"
    found = _TIME.match(text.strip())
    if found is None or not text.isascii():
        raise UsageError(f"{text!r} is not a time", where=where, hint=hint)
    day, clock, zone = found.groups()
    try:
        if clock is None:
            return datetime.fromisoformat(day).strftime("%Y-%m-%d")
        offset = "+00:00" if zone is None or zone.upper() in ("Z", "UTC") else zone
        made = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a time", where=where, hint=hint) from None
    return made.strftime("%Y-%m-%dT%H:%M:%SZ")


def holder(statements: Iterable[Statement], artifact: str = "") -> str:
    """Who held an artifact last, as far as intakes and transfers of it (or of everything) say; empty if none does."""
    held = ""
    for s in statements:
        if s.act in _MOVES and _concerns(s, artifact):
            held = s.fields.get("to", "") or held
    return held


def notices(statements: Iterable[Statement]) -> list[str]:
    """What in a chain of custody gives cause to ask; never a reason to refuse anything.

    A transfer from somebody who did not hold it last, a seal that is not the one it travelled under or was not intact,
    an event after it was written down, and events out of order.
    """
    listed = list(statements)
    artifacts = sorted({s.artifact for s in listed if s.artifact}) or [""]
    out = [found for s in listed for found in _of_itself(s)]
    for artifact in artifacts:
        out += _of_chain([s for s in listed if _concerns(s, artifact)], artifact)
    return [f"entry {seq}: {sentence}" for seq, sentence in sorted(dict.fromkeys(out))]


_MOVES = ("intake", "transfer")


def _concerns(s: Statement, artifact: str) -> bool:
    return not s.artifact or not artifact or s.artifact == artifact


def _of_itself(s: Statement) -> list[tuple[int, str]]:
    out = []
    if s.fields.get("intact") == "no":
        out.append((s.seq, f"seal {s.fields.get('seal', '')} was found not intact".replace("  ", " ")))
    when = s.fields.get("when", "")
    written = datetime.fromtimestamp(s.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if when > (written if "T" in when else written[:10]):
        out.append((s.seq, f"the event ({when}) is later than its entry in the journal ({written})"))
    return out


def _of_chain(listed: list[Statement], artifact: str) -> list[tuple[int, str]]:
    of = f" of {artifact}" if artifact else ""
    out: list[tuple[int, str]] = []
    held = seal = when = ""
    for s in listed:
        giver, given = s.fields.get("from", ""), s.fields.get("seal", "")
        if s.act == "transfer" and giver and held and not same_person(giver, held):
            out.append((s.seq, f"transfer{of} from {giver}, but {held} held it last"))
        if s.act == "seal_check" and given and seal and given != seal:
            out.append((s.seq, f"seal {given} was checked{of}, but it travelled under seal {seal}"))
        event = s.fields.get("when", "")
        if event and when and event[: len(when)] < when[: len(event)]:
            out.append((s.seq, f"the event{of} ({event}) lies before the one stated before it ({when})"))
        when = event or when
        if s.act in _MOVES:
            held, seal = s.fields.get("to", "") or held, given or seal
    return out


def same_person(one: str, other: str) -> bool:
    """Two names written alike but for case, Unicode form and blanks."""
    return normal(one) == normal(other)


def normal(name: str) -> str:
    """A name as it is compared: compatibility form, case folded, one blank between words."""
    import unicodedata  # late: it is large, and most acts compare no names

    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
