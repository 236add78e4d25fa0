"""``case custody``: statements of custody, field by field, and the chain that they make."""

from __future__ import annotations

import argparse
import time
from typing import Any

from mpk_tui.case import Case, actions
from mpk_tui.case.custody import ACTS, ALIASES, act_of, notices
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError

FIELDS = {f.name: f for act in ACTS.values() for f in act.fields}


def add(subparsers: Any) -> None:
    """Declare the act's arguments: an option for every field of the table."""
    p = declare(
        subparsers, "custody",
        "record a statement of custody, or without an act list all of them; no statement can be taken back",
    )  # fmt: skip
    p.epilog = "fields: " + "; ".join(
        f"{act.name}: {', '.join(f'--{_option(f.name)}' for f in act.fields)}" for act in ACTS.values()
    )
    p.add_argument("kind", nargs="?", choices=(*ACTS, *ALIASES), metavar="ACT", help=", ".join(ACTS))
    p.add_argument("text", nargs="?", default="", help="free text; may be left out where the fields say enough")
    p.add_argument("--text", dest="words", default="", metavar="TEXT", help="the same as an option")
    p.add_argument("--id", default="", help="the artifact concerned; all by default")
    for name, field in FIELDS.items():
        p.add_argument(f"--{_option(name)}", dest=f"field_{name}", metavar="TEXT", help=field.about)
    p.add_argument("--json", action="store_true", help="list as one JSON object (schema mpk-tui/custody/1)")
    p.set_defaults(reading=lambda args: args.kind is None)


def _option(name: str) -> str:
    return name.replace("_", "-")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    fields = {name: value for name in FIELDS if (value := getattr(args, f"field_{name}")) is not None}
    if args.kind is None:
        if fields:
            raise UsageError("a field belongs to an act", hint=f"Name one: {', '.join(ACTS)}")
        _list(case, args)
        return ExitCode.OK
    if args.json:
        raise UsageError("--json lists the statements; it goes with no act")
    if args.text and args.words:
        raise UsageError("the text is given once, behind the act or with --text")
    made = actions.custody(case, act_of(args.kind).name, args.text or args.words, id=args.id, **fields)
    emit(f"entry {made.seq}: {case.state.custody[-1].sentence}")
    for sentence in notices(case.state.custody):
        if sentence.startswith(f"entry {made.seq}:"):
            narrate(f"notice: {sentence}")
    return ExitCode.OK


def _list(case: Case, args: argparse.Namespace) -> None:
    told = [s for s in case.state.custody if not args.id or s.artifact in ("", args.id)]
    odd = notices(told)
    if args.json:
        emit_json(
            {
                "schema": "mpk-tui/custody/1", "case": case.state.id,
                **{name: case.state.facts.get(name, "") for name in ("exhibit", "root_exhibit", "authority")},
                "statements": [
                    {"seq": s.seq, "at": s.at, "who": s.who, "act": s.act, "artifact": s.artifact,
                     "fields": dict(s.fields), "text": s.text}
                    for s in told
                ],
                "notices": odd,
            }
        )  # fmt: skip
        return
    for name in ("exhibit", "root_exhibit", "authority"):
        if case.state.facts.get(name):
            emit(f"{name.replace('_', ' ')}: {case.state.facts[name]}")
    for s in told:
        written = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(s.at / 1000))
        about = f" of {s.artifact}" if s.artifact else ""
        emit(f"{s.seq:>4}  {ACTS[s.act].title}{about}  (stated by {s.who}, {written})")
        for name, value in s.fields.items():
            field = ACTS[s.act].field(name)
            emit(f"        {field.label if field else name}: {value}")
        if s.text:
            emit(f"        {s.text}")
    for sentence in odd:
        emit(f"notice: {sentence}")
    if not told:
        emit("no statement of custody")
