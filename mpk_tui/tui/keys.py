"""The key map as data: bindings, the key line at the foot, Help, the palette and the docs are made from this table.

`KEYS` is what the workbench comes with.  A person's own key map (`keymap`) replaces keys of single rows; `keys_for`
always returns the map in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpk_tui.tui import glyphs
from mpk_tui.tui.keynames import to_people, types_text

if TYPE_CHECKING:
    from textual.binding import Binding


@dataclass(frozen=True)
class Key:
    """One row of the key map.

    Attributes:
        scope: Where it works: ``everywhere``, ``case`` (all steps), ``table``, ``form``, or the name of a screen.
        keys: Textual key names, comma separated; the first is the one that people are told.
        action: The action's name on the screen or the app.
        label: One or two words for the foot line.
        help: A sentence for Help.
        foot: Whether the foot line names it.
        in_fields: Works also while a text field has the focus, by those of its keys that write no character.
        shown: How the key is written for people, if not as `keynames.to_people` does.
        called: The row's name in a key map file, if not made from ``action``.
    """

    scope: str
    keys: str
    action: str
    label: str
    help: str
    foot: bool = True
    in_fields: bool = False
    shown: str = ""
    called: str = ""

    @property
    def name(self) -> str:
        """The key as people read it."""
        name = self.shown or to_people(self.each[0])
        return name if name.isascii() else glyphs.fit(name)

    @property
    def names(self) -> str:
        """All its keys as people read them."""
        return " or ".join(to_people(key) for key in self.each)

    @property
    def each(self) -> tuple[str, ...]:
        """Textual names of its keys."""
        return tuple(self.keys.split(","))

    @property
    def id(self) -> str:
        """Its name within the scope: ``answer_not_met`` of ``answer('not-met')``, ``pair_back`` of ``pair(-1)``."""
        if self.called:
            return self.called
        name, _, argument = self.action.removeprefix("screen.").removeprefix("app.").partition("(")
        argument = argument.rstrip(")").strip("'\"").replace("-1", "back").replace("1", "on").replace("-", "_")
        return f"{name}_{argument}" if argument else name


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
    Place("jobs", "j", "Jobs", needs_case=False),
    Place("library", "l", "Library", needs_case=False),
    Place("scan", "s", "Scan", needs_case=False),
    Place("verify", "v", "Verify", needs_case=False),
    Place("home", "0", "Home", needs_case=False),
)

KEYS = (
    Key("everywhere", "f1,question_mark", "help", "Help", "This page.", in_fields=True),
    Key("everywhere", "g", "go", "Go", "Go to a step: g, then its digit."),
    Key(
        "everywhere",
        "f2",
        "go",
        "Go",
        "Go, also while typing in a field.",
        foot=False,
        in_fields=True,
        called="go_typing",
    ),
    Key(
        "everywhere",
        "ctrl+p,f3",
        "command_palette",
        "Palette",
        "Find a place, an action, a theme or a setting.",
        foot=False,
        in_fields=True,
        called="palette",
    ),
    Key("everywhere", "j", "jobs", "Jobs", "The list of jobs: how far, pause, stop; and back.", foot=False),
    Key(
        "everywhere",
        "ctrl+z,f9",
        "suspend_process",
        "Suspend",
        "Back to the shell for a while; fg returns.",
        foot=False,
        called="suspend",
    ),
    Key("everywhere", "escape", "screen.leave", "Back", "Leave a field; its text is entered.", foot=False),
    Key(
        "everywhere",
        "ctrl+q,f10",
        "leave_app",
        "Quit",
        "Close the workbench; nothing is lost.",
        in_fields=True,
        called="quit",
    ),
    Key("case", "left_square_bracket", "pair(-1)", "pair", "Previous pair of models.", foot=False),
    Key("case", "right_square_bracket", "pair(1)", "pair", "Next pair of models.", foot=False),
    Key("case", "z", "undo", "Undo", "Take back the last change; the journal keeps both.", foot=False),
    Key("case", "y", "redo", "Redo", "Restore what was taken back.", foot=False),
    Key("case", "N", "next_gap", "Next gap", "Go to the next thing that a signature waits for."),
    Key("home", "o", "open", "Open case", "Type the folder of a case."),
    Key("home", "n", "new", "New case", "Begin a case in a new folder."),
    Key("home", "v", "verify", "Verify bundle", "Open a bundle from somebody else."),
    Key("home", "delete,D", "forget", "Forget", "Take the case off this list; it stays.", foot=False, shown="D"),
    Key("home", "X", "forget_all", "Forget all", "Empty the list of cases opened lately.", foot=False),
    Key("home", "l", "library", "Library", "Look through reference fingerprints."),
    Key("case_form", "e", "edit", "Edit", "Change what the case says of itself."),
    Key("case_form", "t", "note", "Note", "Write a note into the journal."),
    Key("case_form", "c", "custody", "Custody", "Record a custody statement."),
    Key("case_form", "x", "turn_table", "Other table", "Show the chain of custody, or what is open."),
    Key("artifacts", "a", "add", "Add", "Add a checkpoint or a fingerprint file by its path."),
    Key("artifacts", "delete,D", "remove", "Remove", "Take the artifact under the cursor out.", shown="D"),
    Key("artifacts", "s", "scan", "Scan", "Hold the artifact under the cursor against the library."),
    Key("artifacts", "h", "rehash", "Hash again", "Hash the artifact under the cursor again: is it unchanged?"),
    Key("fingerprint", "f", "start", "Fingerprint", "Fingerprint the artifact under the cursor."),
    Key("fingerprint", "A", "start_all", "All", "Fingerprint every artifact that has none."),
    Key("fingerprint", "F", "start_afresh", "Afresh", "Fingerprint it, every file read again.", foot=False),
    Key("fingerprint", "p", "pause", "Pause", "Pause the job, or let it go on."),
    Key("fingerprint", "x", "cancel", "Stop", "Stop the job; hashes of finished files are kept for the next start."),
    Key("compare", "c", "start", "Compare", "Compare this pair."),
    Key("compare", "x", "cancel", "Cancel", "Stop the job."),
    Key("compare", "p", "pause", "Pause", "Pause the job, or let it go on.", foot=False),
    Key("compare", "b", "evidence", "As evidence", "Turn this comparison into an item of evidence of kind (b)."),
    Key("compare", "e", "row_evidence", "Cite", "Turn the row or value under the cursor into an item of evidence."),
    Key("comparison", "v", "view(1)", "View", "The next table or figure.", called="next_view"),
    Key("comparison", "V", "view(-1)", "Back", "The table or figure before.", foot=False, called="previous_view"),
    Key("comparison", "i", "overview", "Index", "What was found, and what there is to look at."),
    Key("comparison", "t", "tensors", "Tensors", "All tensors of both sides."),
    Key("comparison", "slash", "filter", "Filter", "Show rows that fit words and conditions: mlp change>0.1."),
    Key("comparison", "s", "sort", "Sort", "Sort by the next column; after the last, the record's order."),
    Key("comparison", "S", "flip", "Flip", "Turn the order round.", foot=False),
    Key("comparison", "l", "numbers", "List", "The numbers of a figure as a table, and back.", foot=False),
    Key("evidence", "a", "add('a')", "(a)", "Add official documentation, kind (a)."),
    Key("evidence", "b", "comparison", "(b)", "Turn the pair's comparison into an item of kind (b)."),
    Key("evidence", "f", "add('b')", "File", "Add a record or script as a file, kind (b)."),
    Key("evidence", "c", "add('c')", "(c)", "Add a peer-reviewed analysis, kind (c)."),
    Key("evidence", "x", "add('context')", "Context", "Add context, which carries no label."),
    Key("evidence", "d", "add('denial')", "Denial", "Add an author's denial."),
    Key("evidence", "q", "quote", "Quote", "Open the item's file, mark lines, quote them with their place."),
    Key("evidence", "e", "edit", "Edit", "Take the item out and enter it again as it should read."),
    Key("evidence", "enter", "details", "Details", "Show the item in full and check its file.", foot=False),
    Key("evidence", "delete,D", "remove", "Remove", "Take the item under the cursor back.", shown="D"),
    Key("question", "m", "answer('met')", "Met", "Answer: met."),
    Key("question", "n", "answer('not-met')", "Not met", "Answer: not met."),
    Key("question", "u", "answer('undetermined')", "Undet.", "Answer: undetermined, which counts as independent."),
    Key("question", "t", "take", "Take", "Take the tool's proposal over: answer, reason and evidence."),
    Key("question", "left", "turn(-1)", "Previous", "Previous question.", foot=False, shown="←"),
    Key("question", "right", "turn(1)", "Next", "Next question.", shown="→"),
    # The labels beside these two fields name their keys, so that the foot line need not.
    Key("question", "r", "reason", "Reason", "Write the reason.", foot=False),
    Key("question", "e", "pick", "Evidence", "Choose the evidence; space marks an item.", foot=False),
    Key("question", "w", "resolve", "Resolve", "Resolve a contradiction in writing.", foot=False),
    Key("conditions", "b", "basis", "Basis", "C5: common trained ancestor, or a chain.", foot=False),
    Key("conditions", "h", "hops", "Hops", "C5: name the hops of the chain.", foot=False),
    Key("conditions", "d", "direction", "Direction", "Say that documents establish the direction.", foot=False),
    Key("merge", "p", "merge", "Merge", "Answer 3.9 for several references at once.", foot=False),
    Key("hops", "a", "add", "Add", "Add a hop at the end."),
    Key("hops", "enter,e", "change", "Change", "Change the hop under the cursor."),
    Key("hops", "delete,D", "remove", "Remove", "Take the hop under the cursor out.", shown="D"),
    Key("hops", "minus", "shift(-1)", "Up", "Move the hop under the cursor up.", called="shift_up"),
    Key("hops", "plus", "shift(1)", "Down", "Move the hop under the cursor down.", called="shift_down"),
    Key("hops", "t", "typed", "As text", "Write all hops as text, one a line."),
    Key("hops", "ctrl+s,f4", "accept", "Enter", "Enter the hops."),
    Key("hops", "escape", "close", "Close", "Close; asks first if something was changed."),
    Key("review", "s", "sign", "Sign", "Build the bundle and sign it."),
    Key("review", "enter", "jump", "Jump", "Go to where the gap is."),
    Key("review", "r", "rationale", "Rationale", "Write why the verdict stands."),
    Key("review", "k", "known_gaps", "Known gaps", "Name known gaps of the constitution that bear on it.", foot=False),
    Key("review", "h", "rehash", "Hash again", "Hash every artifact again: is it unchanged?", foot=False),
    Key("review", "v", "read_through", "Second reader", "A second person reads every answer, agrees or dissents."),
    Key("review", "c", "cosign", "Co-sign", "Add a declared signer's signature to a bundle.", foot=False),
    Key("reading", "right,n", "turn(1)", "Next", "The next page.", called="next_page"),
    Key("reading", "left,p", "turn(-1)", "Previous", "The page before.", called="previous_page"),
    Key("reading", "o", "conclude", "Outcome", "Say that you read, agree or dissent."),
    Key("reading", "escape", "close", "Stop", "Stop reading; nothing is journalled."),
    Key("pager", "space,m", "mark", "Mark", "Begin a quote at the line under the cursor, or give it up."),
    Key("pager", "enter,q", "accept", "Quote", "Take the marked lines as excerpt and place."),
    Key("pager", "escape", "close", "Close", "Give the mark up, then close."),
    Key("pick", "escape", "close", "Close", "Choose nothing.", foot=False),
    Key("verify", "o", "open", "Open bundle", "Name a bundle and whom to trust."),
    Key("verify", "c", "compare", "Compare", "Hold it against checkpoints and earlier bundles that are here."),
    Key("verify", "e", "endorse", "Endorse", "Endorse or dissent: a signed statement beside it, into a new file."),
    Key("verify", "r", "report", "Report", "Write a report, in a format that the file's ending tells."),
    Key("verify", "u", "untrusted", "Show anyway", "Show what is not to be relied on, under a banner."),
    Key("verify", "n", "turn(1)", "Next", "The next part.", foot=False, called="next_part"),
    Key("verify", "p", "turn(-1)", "Previous", "The part before.", foot=False, called="previous_part"),
    Key("verify", "x", "cancel", "Cancel", "Stop the check.", foot=False),
    Key("library", "n", "take", "Take in", "Take a checkpoint or a fingerprint file into the catalogue."),
    Key("library", "a", "add", "Add to case", "Add the one under the cursor to the open case, as a reference."),
    Key("library", "s", "scan", "Scan", "Hold a model, by its path, against a library."),
    Key("library", "slash", "filter", "Filter", "Show only what holds some words or digits."),
    Key("library", "o", "open", "Open folder", "Name the folder of another library."),
    Key("library", "e", "alter", "Change", "Say something else of the entry under the cursor.", foot=False),
    Key("library", "delete,D", "remove", "Remove", "Take the entry under the cursor out.", foot=False, shown="D"),
    Key("library", "r", "again", "Read again", "Read the library again.", foot=False),
    Key("library", "x", "cancel", "Cancel", "Stop reading.", foot=False),
    Key("scan", "s", "scan", "Scan", "Name a model and a library to hold it against."),
    Key("scan", "v", "view(1)", "View", "Relatives, near misses, tree, what was said besides.", called="next_view"),
    Key("scan", "V", "view(-1)", "Back", "The view before.", foot=False, called="previous_view"),
    Key("scan", "a", "add", "Add to case", "Add the model under the cursor to the open case, as a reference."),
    Key("scan", "e", "keep", "Keep", "Attach the scan to the open case, as context about the pair."),
    Key("scan", "w", "write", "Write", "Write the scan, or its graph, into a file."),
    Key("scan", "x", "cancel", "Cancel", "Stop the scan.", foot=False),
    Key("history", "enter", "details", "Details", "Show the whole record."),
    Key("history", "slash", "filter", "Filter", "Show only entries with some words."),
    Key("history", "e", "export", "Export", "How to take the journal elsewhere."),
    Key("jobs", "p", "pause", "Pause", "Pause the job under the cursor, or let it go on."),
    Key("jobs", "x", "cancel", "Stop", "Stop the job under the cursor."),
    Key("jobs", "P", "pause_all", "Pause all", "Pause all jobs, or let all go on."),
    Key("jobs", "X", "cancel_all", "Stop all", "Stop all jobs."),
    Key("jobs", "d", "clear", "Clear", "Take jobs that are over off the list.", foot=False),
    Key("jobs", "enter", "to", "Go there", "To the screen where the job was started."),
    Key("table", "up", "move(-1)", "Up", "One row up.", foot=False, called="up"),
    Key("table", "down", "move(1)", "Down", "One row down.", foot=False, called="down"),
    Key("table", "pageup", "page(-1)", "Page up", "A page up.", foot=False, called="page_up"),
    Key("table", "pagedown", "page(1)", "Page down", "A page down.", foot=False, called="page_down"),
    Key("table", "home", "edge(0)", "First", "The first row.", foot=False, called="first"),
    Key("table", "end", "edge(1)", "Last", "The last row.", foot=False, called="last"),
    Key("table", "enter", "pick", "Open", "What the screen does with a row.", foot=False),
    Key("table", "space", "mark", "Mark", "Mark the row, where rows can be marked.", foot=False),
    Key("figure", "left", "value(-1)", "Left", "The value to the left.", foot=False, called="left"),
    Key("figure", "right", "value(1)", "Right", "The value to the right.", foot=False, called="right"),
    Key("figure", "up", "series(-1)", "Up", "The series, or the row, above.", foot=False, called="up"),
    Key("figure", "down", "series(1)", "Down", "The series, or the row, below.", foot=False, called="down"),
    Key("figure", "pageup", "value(-10)", "Ten left", "Ten values to the left.", foot=False, called="ten_left"),
    Key("figure", "pagedown", "value(10)", "Ten right", "Ten values to the right.", foot=False, called="ten_right"),
    Key("figure", "home", "end(0)", "First", "The first value.", foot=False, called="first"),
    Key("figure", "end", "end(1)", "Last", "The last value.", foot=False, called="last"),
    Key("figure", "enter", "pick", "Read", "How to read the picture, and all its numbers.", foot=False, called="read"),
    Key("form", "ctrl+s,f4", "accept", "Save", "Accept the form.", foot=False, in_fields=True),
    Key(
        "form",
        "escape",
        "close",
        "Close",
        "Close the form; asks first if something was typed.",
        foot=False,
        in_fields=True,
    ),
    Key(
        "form",
        "enter",
        "go_on",
        "Go on",
        "The next field; from the last one, accept. In a text of several lines: a new line.",
        foot=False,
        in_fields=True,
    ),
    Key("form", "ctrl+n", "offer", "Offer", "Put the next offered name into the field.", foot=False, in_fields=True),
    Key("form", "pageup", "turn_page(-1)", "Page up", "Turn a long form back.", foot=False, called="page_up"),
    Key("form", "pagedown", "turn_page(1)", "Page down", "Turn a long form on.", foot=False, called="page_down"),
    Key("form", "up", "app.focus_previous", "Up", "The field above.", foot=False, called="previous_field"),
    Key("form", "down", "app.focus_next", "Down", "The field below.", foot=False, called="next_field"),
    Key("choice", "left", "turn(-1)", "Back", "The option before.", foot=False),
    Key("choice", "right,space", "turn(1)", "On", "The next option.", foot=False),
    Key(
        "page",
        "escape,enter,q,f1",
        "dismiss",
        "Close",
        "Close a page of text.",
        foot=False,
        in_fields=True,
        called="close",
    ),
)


_own: dict[tuple[str, str], str] = {}


def use(own: Mapping[tuple[str, str], Sequence[str]]) -> None:
    """Put a person's key map in force: (scope, id) to Textual key names.  An empty one restores what comes along."""
    _own.clear()
    _own.update({place: ",".join(names) for place, names in own.items()})


def in_force(rows: Sequence[Key] = ()) -> list[Key]:
    """Rows, or all of the table, with a person's own keys in place."""
    return [replace(k, keys=_own[k.scope, k.id], shown="") if (k.scope, k.id) in _own else k for k in (rows or KEYS)]


def keys_for(*scopes: str) -> list[Key]:
    """Rows of some scopes, in the table's order, as they are in force."""
    return [k for scope in scopes for k in in_force() if k.scope == scope]


def name_of(scope: str, id: str) -> str:
    """The key of one row as people read it, for a sentence that names it; ``?`` if there is no such row."""
    return next((k.name for k in in_force() if (k.scope, k.id) == (scope, id)), "?")


def way_to(place: str) -> str:
    """The keys from anywhere to a place as people read them, ``g 3``, for a sentence that names them."""
    digit = next((p.digit for p in PLACES if p.name == place), "?")
    return f"{name_of('everywhere', 'go')} {digit}"


def bindings(*scopes: str) -> list[Binding]:
    """Textual bindings of some scopes; unseen, because the foot line is our own.

    They are made of the built-in table, when a screen's class is; the ids let Textual put a person's keys in their
    place (`textual_keymap`).  A row has two: keys that write a character never work while a field has the focus.
    """
    from textual.binding import Binding

    out = []
    for k in (k for scope in scopes for k in KEYS if k.scope == scope):
        for kind, names in _halves(k).items():
            priority = k.in_fields and kind == "keys"
            out.append(Binding(names, k.action, k.label, show=False, priority=priority, id=f"{k.scope}.{k.id}.{kind}"))
    return out


def _halves(k: Key) -> dict[str, str]:
    """Keys that write no character and keys that do; an empty half is a key that no keyboard has."""
    typed = [key for key in k.each if types_text(key)]
    other = [key for key in k.each if not types_text(key)]
    none = f"none-{k.scope}-{k.id}"
    return {"keys": ",".join(other) or f"{none}-keys", "typed": ",".join(typed) or f"{none}-typed"}


def textual_keymap() -> dict[str, str]:
    """What `App.set_keymap` needs to put a person's keys in place of the built-in ones."""
    return {
        f"{k.scope}.{k.id}.{kind}": names
        for k in in_force()
        if (k.scope, k.id) in _own
        for kind, names in _halves(k).items()
    }
