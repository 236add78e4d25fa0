"""Run a whole case on three small checkpoints that come with the package: a base, a fine-tune of it, and a twin.

The twin was trained from another random start with the same config, vocabulary and text.  Every step is printed with
the reasons for each verdict; the case, the signed bundle and its verification stay in the folder, to be looked at,
changed and checked again.  Needs no network and asks for nothing.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

from mpk_tui.cli.output import emit, progress_bar
from mpk_tui.errors import CancelledError, ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("mpk-demo"),
        metavar="DIR",
        help="folder for the results (default: ./mpk-demo); what an earlier demo left there is replaced",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.demo import run as demo
    from mpk_tui.demo.seal import KEY, seal
    from mpk_tui.keys.private import public_path

    out: Path = args.out
    demo.prepare(out)
    emit(f"A whole case in {out}, on the checkpoints {', '.join(demo.CHECKPOINTS)}")
    try:
        demo.run_case(out, emit, progress_bar())
        sealed = seal(out, emit, progress_bar())
    except (CancelledError, KeyboardInterrupt):
        raise CancelledError(
            f"stopped on request; what was done until then lies in {out}, and the next demo there replaces it"
        ) from None
    key = public_path(out / demo.KEYS / KEY)
    emit()
    emit(f"Verify it yourself:  {_program()} verify {_quoted(out / demo.BUNDLE)} --key {_quoted(key)}")
    emit(f"Open the same case:  {_program()} {_quoted(out / demo.CASE)}")
    return ExitCode(int(sealed.outcome.code))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _program() -> str:
    """How this program was called, so that the line can be typed as it stands."""
    called = Path(sys.argv[0])
    found = shutil.which("mpk-tui")
    if called.name != "mpk-tui" or (found and Path(found).resolve() == called.resolve()):
        return "mpk-tui"
    return _quoted(called)
