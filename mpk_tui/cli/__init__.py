"""The scriptable front door: one module a command, imported only when it is asked for.

stdout is data, stderr is narration; both are the same bytes for a terminal and a pipe, but for progress bars and for
long sentences of strangers, which a terminal would break so that a part looks like a line of ours (`output.emit`).
"""

from __future__ import annotations

import argparse
import codecs
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from mpk_tui import __version__
from mpk_tui.cli.output import narrate
from mpk_tui.errors import CancelledError, ExitCode, MpkError
from mpk_tui.text import clean

# Command -> one line of help.  The module is mpk_tui.cli.<command>, with _ for -.
COMMANDS = {
    "fingerprint": "hash a checkpoint and compute its lineage features",
    "compare": "compare two checkpoints or fingerprint files",
    "kit": "what Cisco's Model Provenance Kit 1.0.0 would say of two models: context, never evidence",
    "explain": "say in plain words what a comparison found and what it does not mean",
    "files": "list what else lies in a folder, or how two folders differ in it; never runs any of it",
    "hashes": "make acquisition hash lists, or hold a folder against some",
    "model-sig": "check an OpenSSF Model Signing file offline, and list what it does not cover",
    "batch": "fingerprint and scan every checkpoint of a drive, a line each; goes on where it stopped",
    "watch": "hold every checkpoint of a drive against a list of known models; alerts as JSON lines",
    "scan": "look a model up in a library: what of it is there, and what it is related to",
    "library": "keep reference models: add, list, show, check, exchange signed packs",
    "case": "keep a case: artifacts, evidence, answers, verdict",
    "bundle": "build, sign and show evidence bundles",
    "verify": "check a bundle offline, optionally against a local checkpoint",
    "report": "export a verified bundle: DSSE, in-toto, CycloneDX, hashdeep, SHA256SUMS",
    "keys": "make signing keys and keep the trust store",
    "selftest": "ask this installation questions with known answers",
    "demo": "run a whole case on small checkpoints that come with the package",
    "tui": "open the workbench (also: mpk-tui CASE)",
    "keymap": "print the workbench's keys as a file to edit, or check one",
}


WORKBENCH_OPTIONS = ("--new", "--read-only", "--keys", "--theme", "--ascii", "--no-mouse")
"""What may stand first without a command: it is the workbench that is meant."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; asked of the system directly, because argparse's way loads every compressor."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        super().__init__(prog, width=max(columns or 80, 40) - 2)


class _Parser(argparse.ArgumentParser):
    """Repeats what it did not understand, and a file name that a shell put there may steer a terminal."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, escaped, and exit with 2."""
        super().error(clean(message, 1000))


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        "usage: mpk-tui COMMAND …    (mpk-tui COMMAND --help tells more)",
        "       mpk-tui [CASE]       the terminal workbench; with --plain its questions on plain lines",
        "",
        "Offline forensic workbench for the provenance of model checkpoints.",
        "",
        *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
        "",
        "Exit codes: 0 ok/VALID, 2 usage, 10 PARTIAL, 11 UNTRUSTED, 12 EXPIRED, 13 REVOKED, 14 REPLAY,",
        "20 ALTERED, 21 MISMATCH, 22 INCONSISTENT, 30 MALFORMED, 31 LIMIT, 32 UNSUPPORTED, 40 I/O or internal,",
        "50 case incomplete, 60 linked or alert (with --fail-on), 130 interrupted.",
    ]
    return "\n".join(lines)


def _ascii_only() -> None:
    """Print nothing beyond ASCII: signs of ours as words, anything else by its code point."""
    words = {"…": "...", "–": "-", "·": "-", "×": "x", "→": "->", "“": '"', "”": '"', "’": "'"}

    def spell(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        text = error.object[error.start : error.end]
        return "".join(words.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end

    codecs.register_error("mpk-spelled", spell)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="ascii", errors="mpk-spelled")


def _terminate(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that temporary files go and locks are released."""
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; never lets a traceback out on purpose."""
    args = list(sys.argv[1:] if argv is None else argv)
    # A stranger's tensor names may hold what the terminal's encoding cannot say; never die of it.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if args and args[0] in ("-h", "--help"):
        print(_usage())
        return ExitCode.OK
    if args and args[0] == "--version":
        print(f"mpk-tui {__version__}")
        return ExitCode.OK
    if args and args[0] not in COMMANDS and "--plain" in args:
        if "--ascii" in args:
            _ascii_only()
        args = ["case", "wizard", *(a for a in args if a not in ("--plain", "--ascii"))]
    if args and args[0] in COMMANDS:
        name, rest = args[0], args[1:]
    elif args and args[0].startswith("-") and args[0].partition("=")[0] not in WORKBENCH_OPTIONS:
        narrate(f"unknown option {args[0]!r}; try mpk-tui --help")
        return ExitCode.USAGE
    elif args and not args[0].startswith("-") and not os.path.isdir(args[0]):
        narrate(f"no command and no case folder {args[0]!r}; try mpk-tui --help")
        return ExitCode.USAGE
    else:
        name, rest = "tui", args
    if name != "tui":
        for signum in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if signum is not None:
                try:
                    signal.signal(signum, _terminate)
                except ValueError:  # not the main thread: an embedding program keeps its own handlers
                    break
    try:
        module = importlib.import_module(f"mpk_tui.cli.{name.replace('-', '_')}")
        parser = _Parser(
            prog=f"mpk-tui {name}",
            description=module.__doc__,
            formatter_class=_Help,
            allow_abbrev=False,
        )
        module.add_arguments(parser)
        parsed = parser.parse_args(rest)
        code = int(module.run(parsed))
        sys.stdout.flush()
        return code
    except MpkError as error:
        narrate(f"mpk-tui {name}: {error.diagnosis()}")
        return int(error.exit_code)
    except KeyboardInterrupt:
        narrate(f"mpk-tui {name}: {CancelledError().diagnosis()}")
        return ExitCode.INTERRUPTED
    except ModuleNotFoundError as error:
        # An installation that only verifies has no NumPy and no model reader; a fault of ours stays a traceback.
        if (error.name or "").partition(".")[0] not in ("gguf", "numpy", "textual"):
            raise
        narrate(
            f"mpk-tui {name}: needs {error.name}, which is not installed here: this installation is for verifying. "
            "docs/air-gap.md says how to install all of it"
        )
        return ExitCode.INTERNAL
    except BrokenPipeError:
        # The reader went away: say nothing, and keep the interpreter from complaining at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INTERNAL
    except MemoryError:
        narrate(f"mpk-tui {name}: out of memory; nothing was written")
        return ExitCode.INTERNAL
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        narrate(f"mpk-tui {name}: {place}{error.strerror or error}")
        return ExitCode.INTERNAL
