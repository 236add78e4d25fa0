"""Act by act the state is what a fold over all acts gives, and an act costs no fold over all acts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpk_tui.case import Case, actions, create_case, folding, open_case
from mpk_tui.case.folding import Folding
from mpk_tui.case.journal import Entry
from mpk_tui.case.state import fold
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.errors import MalformedError, UsageError

ARTIFACT = {"label": "m", "name": "m", "note": ""}
DIGEST = "ab" * 32


def entry(seq: int, act: str, params: dict[str, Any], note: str = "") -> Entry:
    return Entry(seq, 1000 + seq, "E", "analyst", act, None, params, None, note, b"")


def acts() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    pair, item = st.sampled_from(["S1:R1", "S1:R2"]), st.sampled_from(["E1", "E2"])
    artifact = st.sampled_from(["S1", "R1", "R2"])
    return st.one_of(
        st.tuples(st.just("facts"), st.fixed_dictionaries({"title": st.sampled_from("xyz")})),
        artifact.map(lambda i: ("artifact", {"id": i, "role": "subject" if i == "S1" else "reference", **ARTIFACT})),
        artifact.map(lambda i: ("artifact_removed", {"id": i})),
        artifact.map(lambda i: ("hash_before", {"id": i, "fingerprint": DIGEST, "root": DIGEST, "scope": "x"})),
        artifact.map(lambda i: ("hash_after", {"id": i, "root": DIGEST})),
        pair.map(lambda p: ("analyse", {"pair": p, "record": DIGEST, "finding": "identical", "sentence": "s",
                                        "fingerprint_a": DIGEST, "fingerprint_b": DIGEST})),
        st.tuples(pair, item).map(lambda x: ("evidence", {"pair": x[0], "item": Evidence(x[1], "a", source="s").as_record()})),
        st.tuples(pair, item).map(lambda x: ("evidence_removed", {"pair": x[0], "id": x[1]})),
        st.tuples(pair, st.sampled_from(["met", "not-met"])).map(
            lambda x: ("answer", {"pair": x[0], "answer": Answer("c1", x[1], "r").as_record()})
        ),
        pair.map(lambda p: ("rationale", {"pair": p, "text": "t"})),
        pair.map(lambda p: ("known_gaps", {"pair": p, "gaps": ["10.1"]})),
        st.just(("note", {})),
        st.sampled_from(["intake", "mount"]).map(lambda a: (a, {"id": "", "from": "A", "device": "D"})),
        st.sampled_from(["", "S1:R1"]).map(lambda p: ("review", {"outcome": "read", "pair": p, "verdict": "v"})),
        st.just(("export", {"seq": 0})), st.just(("future", {"x": 1})),
        st.tuples(st.sampled_from(["undo", "redo"]), st.fixed_dictionaries({"seq": st.integers(0, 45)})),
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(acts(), max_size=40), st.sampled_from([1, 3, 7, 128]))
def test_step_by_step_is_the_fold(listed: list[tuple[str, dict[str, Any]]], every: int) -> None:
    opened = ("open", {"id": "C", "norm": "1.0.0", "facts": {"examiner": "E"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "EVERY", every)
        grown = Folding([])
        for n, (act, params) in enumerate([opened, *listed]):
            made = entry(n, act, params)
            grown.take(made, grown.after(made))
            assert grown.state == fold(grown.entries)
        assert Folding(grown.entries).state == grown.state


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with create_case(tmp_path / "case", id="C-1", title="t", examiner="E") as made:
        yield made


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["note", "answer", "undo", "redo", "facts", "artifact", "custody"]), max_size=15))
def test_what_is_open_is_what_is_opened_again(tmp_path_factory: pytest.TempPathFactory, todo: list[str]) -> None:
    root = tmp_path_factory.mktemp("fold") / "case"
    with create_case(root, id="C-1", title="t", examiner="E") as case:
        for role in ("subject", "reference"):
            case.append("artifact", {"id": role[0].upper(), "role": role, **ARTIFACT})
        for n, what in enumerate(todo):
            try:
                if what == "answer":
                    actions.answer(case, "c1", "met", pair="S:R", reason=str(n))
                elif what in ("note", "custody"):
                    (actions.note if what == "note" else lambda c, t: actions.custody(c, "mount", t))(case, str(n))
                elif what == "facts":
                    actions.set_facts(case, purpose=str(n))
                elif what == "artifact":
                    case.append("artifact", {"id": f"T{n}", "role": "tokenizer", **ARTIFACT})
                else:
                    (actions.undo if what == "undo" else actions.redo)(case)
            except UsageError:
                continue  # nothing to undo or redo, or the pair was taken back
        before, entries, head = case.state, case.entries, case.head
    with open_case(root) as again:
        assert (again.state, again.entries, again.head) == (before, entries, head)


def test_an_act_folds_only_itself(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[int] = []
    real = folding.step
    monkeypatch.setattr(folding, "step", lambda *given: (stepped.append(given[1].seq), real(*given))[1])
    monkeypatch.setattr(folding, "EVERY", 20)
    for n in range(50):
        actions.note(case, str(n))
    actions.custody(case, "intake", "x")
    assert stepped == list(range(1, 52))
    actions.undo(case)
    assert stepped[51:] == list(range(40, 53)), "from the last kept state before the act that was taken back"


def test_paths_are_read_once_and_again_when_they_change(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mpk_tui.case import artifacts

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    artifacts.add_artifact(case, tmp_path / "one", role="subject")
    read: list[str] = []
    real = Case._path
    monkeypatch.setattr(Case, "_path", lambda self, name: (read.append(name), real(self, name))[1])
    for n in range(20):
        actions.note(case, str(n))
    assert read == []
    artifacts.remove_artifact(case, "S1")
    artifacts.add_artifact(case, tmp_path / "two", role="subject", id="S1")
    assert case.state.artifacts["S1"].path == str(tmp_path / "two")


def test_an_act_that_does_not_fit_leaves_everything_as_it_was(case: Case) -> None:
    before = case.state, case.entries, case.head
    for act, params in (("answer", {"pair": "x"}), ("artifact", {"id": 3}), ("review", {"outcome": 1})):
        with pytest.raises(MalformedError, match="do not fit"):
            case.append(act, params)
    assert (case.state, case.entries, case.head) == before
    actions.note(case, "goes on")
    assert fold(case.entries) == replace(case.state, artifacts={})
