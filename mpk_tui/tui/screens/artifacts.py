"""Step 2: which models the case is about."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.case.state import Artifact
from mpk_tui.checkpoint.opening import Opening
from mpk_tui.errors import MpkError
from mpk_tui.progress import CancelToken, Report
from mpk_tui.tui import keys
from mpk_tui.tui.drafts import Drafts
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.rehash import rehash
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.session import Gap
from mpk_tui.tui.widgets.form import Field, Form, Later
from mpk_tui.tui.widgets.table import Column, RowTable

ROLES = (
    ("subject", "subject: what is examined"),
    ("reference", "reference: what it is compared with"),
)
PARTS = (("whole", "whole: a missing part is an error"), ("partial", "partial: examine what is there"))


class Artifacts(StepScreen):
    """The artifacts of the case; every subject is paired with every reference."""

    NAME = "artifacts"
    SCOPES = ("artifacts", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("artifacts")

    def body(self) -> Iterable[Widget]:
        """Artifacts above, details below."""
        yield RowTable(
            [Column("id", 5), Column("role", 10), Column("label", 22), Column("path", name=True)],
            empty=f"None yet. {keys.name_of('artifacts', 'add')} adds a checkpoint by its path.",
            id="start",
        )
        with VerticalScroll(id="detail", classes="below"):
            yield Static("", id="detail-text")

    def show(self) -> None:
        """Rows and the one under the cursor."""
        artifacts = self.session.artifacts
        table = self.query_one("#start", RowTable)
        table.show([(a.id, a.role, _mark(a), a.path) for a in artifacts])
        if table.index is None:
            text = Content(
                "A checkpoint is a Hugging Face folder or a file of weights (safetensors, GGUF, PyTorch, ONNX and "
                "others); a fingerprint file (.mpkf) can stand for one. It is opened for reading only, and no link out "
                "of it is followed."
            )
        else:
            text = Content("\n".join(shown(x, 600) for x in self.session.about_artifact(artifacts[table.index])))
        self.query_one("#detail-text", Static).update(text)

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def action_add(self) -> None:
        """Ask for a path, a role and a label."""
        have = {a.role for a in self.session.artifacts}
        self._ask_for("reference" if "subject" in have else "subject")

    def _ask_for(self, role: str) -> None:
        session = self.session
        if not self.bench.attempt(session.must_write):
            return

        def accept(values: dict[str, str]) -> str | Later:
            said = {k: v.strip() for k, v in values.items()}
            if not said["path"]:
                return "Type the path of a checkpoint."
            if said["reason"] and not said["lists"]:
                return "A reason to take in what contradicts a hash list says nothing without a list."
            path = Path(said["path"]).expanduser()
            base = Path(said["base"]).expanduser() if said["base"] else None
            how = Opening(said["model"], said["parts"] == "partial", base, isolate=True)
            lists = [Path(p.strip()).expanduser() for p in said["lists"].split(";") if p.strip()]

            def take_in(_: object) -> None:
                if not lists:
                    made = session.add_artifact(path, said["role"], said["label"], said["note"], how)
                    told = f"{made.id} was taken in. {keys.way_to('fingerprint')} fingerprints it."
                    self.bench.call_later(self._came, "  ".join(filter(None, (told, session.same_path(made)))))
                    return
                check = session.checking(path, lists, said["reason"])

                def checked(report: Report, cancel: CancelToken) -> Any:
                    try:
                        return check(report, cancel)
                    except MpkError:
                        self.bench.call_later(self._put_by, session.drafts, values)  # the form is gone already
                        raise

                self.bench.start_job(
                    "intake",
                    str(path),
                    f"hash lists of {path.name}",
                    checked,
                    lambda found: self._taken(
                        session.add_artifact(path, said["role"], said["label"], said["note"], how, found)
                    ),
                    (path,),
                )

            return Later("Reading headers…", session.looking_into(path, how), take_in)

        form = Form(
            "Add an artifact",
            [
                Field("role", "Role", "choice", value=role, options=ROLES),
                Field("path", "Path", hint="folder, .safetensors, .gguf or .mpkf"),
                Field("label", "Label (as the report will call it; empty: the path's last part)"),
                Field("note", "Intake: where it came from, how it was copied"),
                Field("parts", "Evidence", "choice", value="whole", options=PARTS),
                Field("model", "Model (which one, where a folder holds several)", hint="its name"),
                Field("base", "Base", hint="for an adapter: the path of the model it is put onto"),
                Field("lists", "Hash lists", hint="SHA256SUMS or hashdeep files, several with ; between"),
                Field("reason", "Why files that contradict a list are taken in all the same"),
            ],
            accept,
            button="add",
            drafts=session.drafts,
            name="artifact",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def _put_by(self, drafts: Drafts, values: dict[str, str]) -> None:
        """Keep what was typed for the form to offer again: a list was refused after it had closed."""
        for name, text in values.items():
            if text and not self.bench.attempt(partial(drafts.keep, f"artifact/{name}", text)):
                return

    def _taken(self, artifact: Artifact) -> None:
        """Say what the lists said."""
        same = self.session.same_path(artifact)
        self._came("  ".join(filter(None, (f"{artifact.id} was taken in.", *artifact.lists, same))))

    def _came(self, said: str) -> None:
        """Go to the new row, so that the next key is meant for it."""
        if self.is_mounted:
            self.show()
            self.query_one("#start", RowTable).action_edge(1)
        self.bench.say(said)

    def land(self, gap: Gap) -> None:
        """A missing role opens the form for it."""
        if gap.what in ("subject", "reference"):
            self._ask_for(gap.what)
        else:
            super().land(gap)

    def action_scan(self) -> None:
        """Hold the artifact under the cursor against the library, on the screen of scans."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            self.bench.say(f"No artifacts yet: {keys.name_of('artifacts', 'add')} adds one.")
            return
        self.bench.go("scan", artifact=self.session.artifacts[table.index].id)

    def action_rehash(self) -> None:
        """Hash the artifact under the cursor again: is it still what was fingerprinted?"""
        table = self.query_one("#start", RowTable)
        if table.index is not None:
            rehash(self, [self.session.artifacts[table.index].id])

    def action_remove(self) -> None:
        """Take the artifact under the cursor out; {keys.name_of('case', 'undo')} restores it."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            return
        artifact = self.session.artifacts[table.index].id
        if self.bench.attempt(lambda: self.session.remove_artifact(artifact)):
            self.bench.say(
                f"{artifact} was taken out, with what was said about it; {keys.name_of('case', 'undo')} restores it."
            )
            self.bench.changed()


def _mark(artifact: Artifact) -> str:
    """The label, with a word where the evidence is not whole."""
    return f"partial: {artifact.label}" if artifact.partial or not artifact.complete else artifact.label
