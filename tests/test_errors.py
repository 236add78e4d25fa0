"""Exit codes are an API; errors name the place, the fault and the next step."""

from __future__ import annotations

import pytest

from mpk_tui import errors
from mpk_tui.errors import CancelledError, ExitCode, MalformedError, MpkError


def leaves(kind: type[MpkError]) -> list[type[MpkError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in leaves(child)]
    return [kind, *below]


def test_exit_codes_are_what_was_published() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "USAGE": 2,
        "PARTIAL": 10,
        "UNTRUSTED": 11,
        "EXPIRED": 12,
        "REVOKED": 13,
        "REPLAY": 14,
        "ALTERED": 20,
        "MISMATCH": 21,
        "INCONSISTENT": 22,
        "MALFORMED": 30,
        "LIMIT": 31,
        "UNSUPPORTED": 32,
        "INTERNAL": 40,
        "INCOMPLETE": 50,
        "LINKED": 60,
        "INTERRUPTED": 130,
    }


def test_no_error_ends_as_success_or_as_python_s_own_traceback() -> None:
    ours = [leaf for leaf in leaves(MpkError) if leaf.__module__ == errors.__name__]
    assert len(ours) >= 10
    for leaf in ours:
        assert leaf.exit_code in ExitCode
        assert leaf.exit_code not in (0, 1)
        assert leaf is MpkError or leaf.__name__.endswith("Error")


@pytest.mark.parametrize(
    ("where", "hint", "text"),
    [
        (None, None, "expected 8 bytes, found 3"),
        ("a.safetensors", None, "a.safetensors: expected 8 bytes, found 3"),
        (None, "Copy it again", "expected 8 bytes, found 3. Copy it again"),
        ("a.safetensors", "Copy it again", "a.safetensors: expected 8 bytes, found 3. Copy it again"),
    ],
)
def test_diagnosis_names_place_fault_and_next_step(where: str | None, hint: str | None, text: str) -> None:
    error = MalformedError("expected 8 bytes, found 3", where=where, hint=hint)
    assert error.diagnosis() == text
    assert str(error) == text


def test_stopping_on_request_says_that_nothing_was_written() -> None:
    assert "nothing was written" in CancelledError().diagnosis()
    assert CancelledError.exit_code == ExitCode.INTERRUPTED
