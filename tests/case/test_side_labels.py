"""What a comparison calls its sides where a file has no name but a digest."""

from __future__ import annotations

from pathlib import Path

from toy_models import write_model

from mpk_tui import canonical
from mpk_tui.case import create_case, open_case
from mpk_tui.case.artifacts import add_artifact
from mpk_tui.case.comparing import compare_pair
from mpk_tui.case.measuring import _plain, compare_task
from mpk_tui.case.replay import replay
from mpk_tui.cli import main
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.progress import CancelToken, silent


def test_a_fingerprint_of_a_library_bears_its_label_in_the_record(tmp_path: Path) -> None:
    model = write_model(tmp_path / "suspect", "x")
    made = fingerprint(model)
    shelved = tmp_path / f"{made.digest.hex()}.mpkf"
    write(shelved, made)
    with create_case(tmp_path / "case", id="C-1", title="t", examiner="Ada Roth") as case:
        subject = add_artifact(case, model, role="subject", label="Suspect, as seized")
        reference = add_artifact(case, shelved, role="reference", label="Zoo A ft")
        record = compare_pair(case)
        assert (record["a"]["label"], record["b"]["label"]) == ("suspect", "Zoo A ft")
        request = canonical.encode([_plain(subject), _plain(reference)])
        assert compare_task(request, silent, CancelToken()) == canonical.encode(record), "also in a process of its own"
        commands = replay(case, tmp_path / "again")
        digest = case.state.comparisons["S1:R1"].digest
    for argv in commands:
        assert main(argv) == 0, argv
    with open_case(tmp_path / "again", read_only=True) as again:
        assert again.state.comparisons["S1:R1"].digest == digest
