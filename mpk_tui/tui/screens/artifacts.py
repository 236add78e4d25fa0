"""Step 2: which models the case is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable

ROLES = (
    ("subject", "subject: what is examined"),
    ("reference", "reference: what it is compared with"),
)


class Artifacts(StepScreen):
    """The artifacts of the case; every subject is paired with every reference."""

    NAME = "artifacts"
    SCOPES = ("artifacts", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("artifacts")

    def body(self) -> Iterable[Widget]:
        """Artifacts above, details below."""
        yield RowTable(
            [Column("id", 5), Column("role", 10), Column("label", 22), Column("path", name=True)],
            empty="None yet. a adds a checkpoint by its path.",
            id="start",
        )
        with VerticalScroll(id="detail", classes="below"):
            yield Static("", id="detail-text")

    def show(self) -> None:
        """Rows and the one under the cursor."""
        artifacts = self.session.artifacts
        table = self.query_one("#start", RowTable)
        table.show([(a.id, a.role, a.label, a.path) for a in artifacts])
        if table.index is None:
            text = Content(
                "A checkpoint is a Hugging Face folder, a .safetensors or a .gguf file; a fingerprint file (.mpkf) can "
                "stand for one. It is opened for reading only, and no link out of it is followed."
            )
        else:
            text = Content("\n".join(clean(x, 600) for x in self.session.about_artifact(artifacts[table.index])))
        self.query_one("#detail-text", Static).update(text)

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def action_add(self) -> None:
        """Ask for a path, a role and a label."""
        session = self.session
        if not self.bench.attempt(session.must_write):
            return

        def accept(values: dict[str, str]) -> str | None:
            if not values["path"].strip():
                return "Type the path of a checkpoint."
            session.add_artifact(
                values["path"].strip(), values["role"], values["label"].strip(), values["note"].strip()
            )
            return None

        have = {a.role for a in session.artifacts}
        role = "reference" if "subject" in have else "subject"
        form = Form(
            "Add an artifact",
            [
                Field("role", "Role", "choice", value=role, options=ROLES),
                Field("path", "Path", hint="folder, .safetensors, .gguf or .mpkf"),
                Field("label", "Label (as the report will call it; empty: the path's last part)"),
                Field("note", "Intake: where it came from, how it was copied"),
            ],
            accept,
            button="add",
            drafts=session.drafts,
            name="artifact",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_remove(self) -> None:
        """Take the artifact under the cursor out; z restores it."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            return
        artifact = self.session.artifacts[table.index].id
        if self.bench.attempt(lambda: self.session.remove_artifact(artifact)):
            self.bench.say(f"{artifact} was taken out, with what was said about it; z restores it.")
            self.bench.changed()
