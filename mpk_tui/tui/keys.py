"""The key map as data: bindings, the key line at the foot, Help and the palette are all made from this table."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Key:
    """One row of the key map.

    Attributes:
        scope: Where it works: ``everywhere``, ``case`` (all steps), or the name of a screen.
        keys: Textual key names, comma separated.
        action: The action's name on the screen or the app.
        label: One or two words for the foot line.
        help: A sentence for Help.
        foot: Whether the foot line names it.
        in_fields: Works also while a text field has the focus.
        shown: How the key is written for people, if not as in ``keys``.
    """

    scope: str
    keys: str
    action: str
    label: str
    help: str
    foot: bool = True
    in_fields: bool = False
    shown: str = ""

    @property
    def name(self) -> str:
        """The key as people read it."""
        return self.shown or self.keys.split(",")[0].replace("ctrl+", "^")


@dataclass(frozen=True)
class Place:
    """A screen that Go and the navigation list can reach."""

    name: str
    digit: str
    title: str
    needs_case: bool = True


PLACES = (
    Place("case", "1", "Case"),
    Place("artifacts", "2", "Artifacts"),
    Place("fingerprint", "3", "Fingerprint"),
    Place("compare", "4", "Compare"),
    Place("evidence", "5", "Evidence"),
    Place("conditions", "6", "Conditions"),
    Place("mechanism", "7", "Mechanism"),
    Place("exclusions", "8", "Exclusions"),
    Place("review", "9", "Review & sign"),
    Place("history", "h", "History"),
    Place("verify", "v", "Verify", needs_case=False),
    Place("home", "0", "Home", needs_case=False),
)

KEYS = (
    Key("everywhere", "f1,question_mark", "help", "Help", "This page.", in_fields=True, shown="F1"),
    Key("everywhere", "g", "go", "Go", "Go to a step: g, then its digit."),
    Key("everywhere", "f2", "go", "Go", "Go, also while typing in a field.", foot=False, in_fields=True, shown="F2"),
    Key(
        "everywhere", "ctrl+p", "command_palette", "Palette", "Find an action by its name.", foot=False, in_fields=True
    ),
    Key("everywhere", "escape", "screen.leave", "Back", "Leave a field or close a dialog.", foot=False, shown="Esc"),
    Key("everywhere", "ctrl+q", "leave_app", "Quit", "Close the workbench; nothing is lost.", in_fields=True),
    Key("case", "left_square_bracket", "pair(-1)", "pair", "Previous pair of models.", foot=False, shown="["),
    Key("case", "right_square_bracket", "pair(1)", "pair", "Next pair of models.", foot=False, shown="]"),
    Key("case", "z", "undo", "Undo", "Take back the last change; the journal keeps both.", foot=False),
    Key("case", "y", "redo", "Redo", "Restore what was taken back.", foot=False),
    Key("home", "o", "open", "Open case", "Type the folder of a case."),
    Key("home", "n", "new", "New case", "Begin a case in a new folder."),
    Key("home", "v", "verify", "Verify bundle", "Open a bundle from somebody else."),
    Key("case_form", "e", "edit", "Edit", "Change what the case says of itself."),
    Key("case_form", "t", "note", "Note", "Write a note into the journal."),
    Key("case_form", "c", "custody", "Custody", "Record a custody statement."),
    Key("artifacts", "a", "add", "Add", "Add a checkpoint or a fingerprint file by its path."),
    Key("artifacts", "delete,D", "remove", "Remove", "Take the artifact under the cursor out.", shown="D"),
    Key("fingerprint", "f", "start", "Fingerprint", "Fingerprint the artifact under the cursor."),
    Key("fingerprint", "A", "start_all", "All", "Fingerprint every artifact that has none.", shown="A"),
    Key("fingerprint", "x", "cancel", "Cancel", "Stop the job; nothing half-made is kept."),
    Key("compare", "c", "start", "Compare", "Compare this pair."),
    Key("compare", "x", "cancel", "Cancel", "Stop the job."),
    Key("compare", "t", "test", "Next table", "Show the next test's table."),
    Key("compare", "b", "evidence", "As evidence", "Turn this comparison into an item of evidence of kind (b)."),
    Key("evidence", "a", "add", "Add", "Add an item of evidence."),
    Key("evidence", "b", "comparison", "From comparison", "Turn the pair's comparison into an item of kind (b)."),
    Key("evidence", "delete,D", "remove", "Remove", "Take the item under the cursor back.", shown="D"),
    Key("question", "m", "answer('met')", "Met", "Answer: met."),
    Key("question", "n", "answer('not-met')", "Not met", "Answer: not met."),
    Key("question", "u", "answer('undetermined')", "Undet.", "Answer: undetermined, which counts as independent."),
    Key("question", "left", "turn(-1)", "Previous", "Previous question.", foot=False, shown="←"),
    Key("question", "right", "turn(1)", "Next", "Next question.", shown="→"),
    Key("question", "r", "reason", "Reason", "Write the reason."),
    Key("question", "e", "pick", "Evidence", "Choose the evidence; space marks an item."),
    Key("question", "w", "resolve", "Resolve", "Resolve a contradiction in writing.", foot=False),
    Key("conditions", "b", "basis", "Basis", "C5: common trained ancestor, or a chain.", foot=False),
    Key("conditions", "h", "hops", "Hops", "C5: name the hops of the chain.", foot=False),
    Key("conditions", "d", "direction", "Direction", "Say that documents establish the direction.", foot=False),
    Key("review", "s", "sign", "Sign", "Build the bundle and sign it."),
    Key("review", "enter", "jump", "Jump", "Go to where the gap is.", shown="Enter"),
    Key("review", "r", "rationale", "Rationale", "Write why the verdict stands."),
    Key("review", "k", "known_gaps", "Known gaps", "Name known gaps of the constitution that bear on it.", foot=False),
    Key("verify", "o", "open", "Open bundle", "Name a bundle and whom to trust."),
    Key("history", "enter", "details", "Details", "Show the whole record.", shown="Enter"),
)


def keys_for(*scopes: str) -> list[Key]:
    """Rows of some scopes, in the table's order."""
    return [k for scope in scopes for k in KEYS if k.scope == scope]


def bindings(*scopes: str) -> list[Binding]:
    """Textual bindings of some scopes; unseen, because the foot line is our own."""
    return [Binding(k.keys, k.action, k.label, show=False, priority=k.in_fields) for k in keys_for(*scopes)]


def conflicts() -> list[str]:
    """Keys that mean two things in one place; empty, or a test fails."""
    together = (
        ("home",), ("case", "case_form"), ("case", "artifacts"), ("case", "fingerprint"), ("case", "compare"),
        ("case", "evidence"), ("case", "question", "conditions"), ("case", "review"), ("verify",), ("case", "history"),
    )  # fmt: skip
    out = []
    for scopes in together:
        seen: dict[str, str] = {}
        for row in keys_for("everywhere", *scopes):
            for key in row.keys.split(","):
                if key in seen:
                    out.append(f"{'+'.join(scopes)}: {key} is both {seen[key]} and {row.action}")
                seen[key] = row.action
    return out
