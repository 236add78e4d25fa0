"""The four forms of the Verify screen, as data, and the sentences that stand above them."""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle.checking import FOLDER, WEIGHTS
from mpk_tui.keys.endorsing import ROLE
from mpk_tui.text import hex_groups
from mpk_tui.tui.endorsing import KINDS
from mpk_tui.tui.verifying import NO, YES, Opened
from mpk_tui.tui.widgets.form import CHOICE, LINES, SECRET, Field

_NO_YES = ((NO, "no"), (YES, "yes"))
CONFIDENTIAL = (
    "A report repeats what the bundle holds. Features and digests of tensors may be confidential, and so may names, "
    "reasons and excerpts: whoever gets the file can read all of it."
)


def opening(typed: dict[str, str]) -> list[Field]:
    """Which bundle, and whom to believe."""
    return [
        Field("bundle", "Bundle", value=typed.get("bundle", ""), hint="path of a .mpkb file"),
        Field(
            "trust", "Trust store", value=typed.get("trust", ""), hint="a folder or a signed file; empty: your own"
        ),
        Field("key", "or one public key", value=typed.get("key", ""), hint="path of a PEM file; or leave empty"),
        Field("case", "Case that it must belong to", value=typed.get("case", ""), hint="or leave empty"),
        Field("id", "Id that it must have", value=typed.get("id", ""), hint="64 hex digits; or leave empty"),
        Field("stale", "Go on with a signed store that has expired", CHOICE, typed.get("stale", NO), _NO_YES),
        Field(
            "receipt", "Keep a receipt, so that an older bundle shows as REPLAY", CHOICE, typed.get("receipt", YES),
            ((YES, "yes"), (NO, "no")),
        ),
    ]  # fmt: skip


def comparing(typed: dict[str, str]) -> list[Field]:
    """What is here, to hold the bundle against."""
    return [
        Field("checkpoints", "Local checkpoints, one path a line", LINES, typed.get("checkpoints", "")),
        Field(
            "match", "A checkpoint must match", CHOICE, typed.get("match", FOLDER),
            ((FOLDER, "its whole folder"), (WEIGHTS, "weights alone; files are listed")),
        ),
        Field("features", "Where weights differ, compare features", CHOICE, typed.get("features", NO), _NO_YES),
        Field("rerun", "Compute the findings again from its features", CHOICE, typed.get("rerun", NO), _NO_YES),
        Field("earlier", "Earlier bundles of the case, one path a line", LINES, typed.get("earlier", "")),
        Field(
            "attachments", "Folder with attachments that travel beside it", value=typed.get("attachments", ""),
            hint="or leave empty",
        ),
    ]  # fmt: skip


COMPARING_NOTE = (
    "Weights and folder are answered apart. Checkpoints are hashed again, which takes as long as reading them; nothing "
    "is written into them."
)


def endorsing(opened: Opened, typed: dict[str, str]) -> list[Field]:
    """A statement beside the bundle; what was typed before a refusal stands there again, the passphrase never."""
    old = opened.request.bundle
    said, out = typed.get, str(old.with_name(f"{old.stem}-endorsed{old.suffix}"))
    return [
        Field("kind", "What you say", CHOICE, said("kind", "concur"), KINDS),
        Field("id", "Your name, as signed", value=said("id", "")),
        Field("role", "Your role", value=said("role", ROLE)),
        Field("statement", "In your words; signed as given", LINES, said("statement", "")),
        Field(
            "reviewed", "About these sections only", value=said("reviewed", ""),
            hint="ids with blanks between; empty: all of it",
        ),
        Field(
            "token", "Token file (RFC 3161), for a timestamp", value=said("token", ""),
            hint="carried along, not evaluated",
        ),
        Field("key", "Your private key file", value=said("key", ""), hint="path of a PEM file"),
        Field("passphrase", "Passphrase", SECRET),
        Field("out", "New file to write", value=said("out", out)),
    ]  # fmt: skip


def endorsing_note(opened: Opened) -> str:
    """What is about to be signed: the bundle and the verdict that was shown."""
    outcome = opened.outcome
    return (
        f"The check says {outcome.verdict}. You sign a statement about this bundle as it was shown to you, and about "
        f"its signatures. Bundle id {hex_groups(outcome.bundle_id or b'')}. The bundle itself is not changed; a new "
        "file holds both. After an endorsement no further signature can be added to that file."
    )


def reporting(opened: Opened) -> list[Field]:
    """A report from the bundle."""
    old = opened.request.bundle
    return [
        Field("out", "New file to write", value=str(old.with_suffix(".html")), hint="its ending tells the format"),
        Field("classification", "Classification banner, on every page", hint="e.g. CONFIDENTIAL; or leave empty"),
        Field("pair", "About this pair only", hint="e.g. S1:R1; empty: all"),
        Field("artifact", "For a hash list: which artifact", hint="e.g. S1; or leave empty"),
    ]


def reporting_note(endings: str) -> str:
    """What goes out, and which formats there are."""
    return f"{CONFIDENTIAL}\nFormats by ending: {endings}."


def after_redirect(path: Path, typed: dict[str, str]) -> dict[str, str]:
    """The form's values for the file that was just written."""
    return {**typed, "bundle": str(path), "id": ""}
