"""Custody: named fields that are checked, times in UTC, statements that stay, and a chain that is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpk_tui.case import Case, actions, artifacts, create_case, open_case
from mpk_tui.case.custody import ACTS, CHOICE, MAX_FIELD, TIME, Statement, holder, notices, same_person, utc
from mpk_tui.errors import UsageError


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with create_case(tmp_path / "case", id="C-1", title="A drive", examiner="E. Xaminer") as made:
        yield made


def said(**fields: str) -> dict[str, str]:
    return {name.rstrip("_"): value for name, value in fields.items()}


def test_fields_are_journalled_and_there_again(case: Case, tmp_path: Path) -> None:
    actions.custody(
        case, "intake", "in an envelope",
        **said(from_="Unit 7", to="E. Xaminer", when="2026-11-20 10:05 +0100", seal="A7", how=" by hand "),
    )  # fmt: skip
    made = case.state.custody[0]
    assert made.fields == {
        "from": "Unit 7", "to": "E. Xaminer", "when": "2026-11-20T09:05:00Z", "how": "by hand", "seal": "A7",
    }  # fmt: skip
    assert list(made.fields) == ["from", "to", "when", "how", "seal"]
    assert made.text == "in an envelope"
    assert made.sentence.startswith("from Unit 7; to E. Xaminer; when ")
    assert case.entries[-1].act == "intake"
    case.close()
    with open_case(tmp_path / "case") as again:
        assert again.state.custody == (made,)


@pytest.mark.parametrize("act", list(ACTS))
def test_every_act_says_enough_by_its_needed_fields_or_by_text(case: Case, act: str) -> None:
    value = {TIME: "2026-11-20", CHOICE: "yes"}
    needed = {f.name: value.get(f.kind, "x") for f in ACTS[act].fields if f.needed}
    assert needed
    actions.custody(case, act, **needed)
    actions.custody(case, act, "free words")
    for missing in needed:
        with pytest.raises(UsageError, match="needs text"):
            actions.custody(case, act, **{n: v for n, v in needed.items() if n != missing})
    assert len(case.state.custody) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device": "disk"}, "no field 'device'"),
        ({"from": "a\nb", "to": "c"}, "one line"),
        ({"from": "a", "to": "x" * (MAX_FIELD + 1)}, "501 characters"),
        ({"from": "a", "to": "b", "when": "noon"}, "not a time"),
        ({"from": "a", "to": "b", "when": "2026-02-30"}, "not a time"),
        ({"from": "  ", "to": "b"}, "needs text"),
    ],
)
def test_what_cannot_be_a_field_is_refused(case: Case, fields: dict[str, str], message: str) -> None:
    count = len(case.entries)
    with pytest.raises(UsageError, match=message):
        actions.custody(case, "transfer", **fields)
    assert len(case.entries) == count


def test_a_choice_is_one_of_its_options(case: Case) -> None:
    actions.custody(case, "seal_check", seal="A7", intact="N")
    assert case.state.custody[0].fields["intact"] == "no"
    with pytest.raises(UsageError, match="not one of yes, no"):
        actions.custody(case, "seal_check", seal="A7", intact="maybe")


def test_other_acts_and_unknown_artifacts_are_refused(case: Case) -> None:
    with pytest.raises(UsageError, match="known are intake"):
        actions.custody(case, "steal", "x")
    with pytest.raises(UsageError, match="no artifact"):
        actions.custody(case, "intake", "x", id="S9")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-26", "2026-11-26"),
        ("2026-11-26T13:05Z", "2026-11-26T13:05:00Z"),
        ("2026-11-26 13:05", "2026-11-26T13:05:00Z"),
        ("2026-11-26 13:05:09 utc", "2026-11-26T13:05:09Z"),
        ("2026-01-01T00:30+02:00", "2025-12-31T22:30:00Z"),
        ("2026-01-01 23:30-0130", "2026-01-02T01:00:00Z"),
    ],
)
def test_times_are_utc(text: str, found: str) -> None:
    assert utc(text) == found
    assert utc(found) == found


@pytest.mark.parametrize(
    "text", ["", "now", "26.11.2026", "2026-11-26T25:00Z", "٢٠٢٦-11-26", "0001-01-01 00:00+10:00", "2026-13-01"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        utc(text)


def statement(seq: int, act: str, artifact: str = "", at: int = 1_800_000_000_000, **fields: str) -> Statement:
    return Statement(seq, at, "E", act, artifact, said(**fields))


def test_a_chain_that_holds_gives_no_notice() -> None:
    chain = [
        statement(1, "intake", from_="Police", to="Ada Roth", when="2026-11-20", seal="A7"),
        statement(2, "seal_check", seal="A7", intact="yes", when="2026-11-20T09:00:00Z"),
        statement(3, "transfer", from_="ada  roth", to="Bo Lind", seal="A8"),
        statement(4, "seal_check", seal="A8", intact="yes"),
    ]
    assert notices(chain) == []
    assert holder(chain) == "Bo Lind"


def test_a_chain_that_does_not_hold_is_told_and_never_blocked(case: Case) -> None:
    chain = [
        statement(1, "intake", from_="Police", to="Ada", when="2026-11-20", seal="A7"),
        statement(2, "transfer", from_="Bo", to="Cy", when="2026-11-19"),
        statement(3, "seal_check", seal="A9", intact="no"),
        statement(4, "mount", at=0, device="d", read_only="y", when="2026-11-21"),
    ]
    found = notices(chain)
    assert [n.partition(":")[0] for n in found] == ["entry 2", "entry 2", "entry 3", "entry 3", "entry 4"]
    assert any("transfer from Bo, but Ada held it last" in n for n in found)
    assert any("lies before the one stated before it" in n for n in found)
    assert any("seal A9 was found not intact" in n for n in found)
    assert any("travelled under seal A7" in n for n in found)
    assert any("later than its entry in the journal" in n for n in found)
    actions.custody(case, "transfer", **said(from_="A", to="B"))
    actions.custody(case, "transfer", **said(from_="C", to="D"))
    assert len(notices(case.state.custody)) == 1


def test_artifacts_have_chains_of_their_own() -> None:
    chain = [
        statement(1, "intake", from_="P", to="Ada"),
        statement(2, "transfer", "S1", from_="Ada", to="Bo"),
        statement(3, "transfer", "R1", from_="Ada", to="Cy"),
        statement(4, "transfer", "S1", from_="Cy", to="Di"),
    ]
    assert notices(chain) == ["entry 4: transfer of S1 from Cy, but Bo held it last"]
    assert (holder(chain, "S1"), holder(chain, "R1")) == ("Di", "Cy")


def test_names_are_compared_as_people_write_them() -> None:
    assert same_person("Ada Roth", " ADA  roth\t")
    assert same_person("Jos\u00e9", "Jose\u0301")
    assert same_person("Straße", "STRASSE")
    assert not same_person("Ada Roth", "Ada Rothe")


def test_a_note_may_be_about_an_artifact(case: Case, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"")
    artifacts.add_artifact(case, tmp_path / "m.safetensors", role="subject")
    assert actions.note(case, "scratched", id="S1").params == {"id": "S1"}
    assert actions.note(case, "dull day").params == {}
    with pytest.raises(UsageError, match="no artifact"):
        actions.note(case, "x", id="S2")
