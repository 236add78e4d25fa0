"""The dialogs of a signature: what it covers, by which keys, what was written and what comes next."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from mpk_tui.bundle.suites import NAMES, SUITES
from mpk_tui.text import clean, hex_groups
from mpk_tui.tui import keys, signing
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Answered, Field, Form, Later, Page

_BY = ((signing.FILE, "key file"), (signing.AGENT, "ssh-agent"))


def _who() -> list[Field]:
    """Fields that name who signs."""
    return [
        Field("by", "Signs with", "choice", options=_BY),
        Field("public", "Which of the ssh-agent's keys (if it holds several)", hint="path of KEY.pub.pem"),
        Field("passphrase", "Passphrase of the key file (kept nowhere)", "secret"),
    ]


def _key(label: str) -> Field:
    return Field("key", label, hint="path of KEY.pem; a second half elsewhere after a ;")


def ask_signature(screen: StepScreen) -> None:
    """Ask for a key, then build, sign and write the bundle of the open case."""
    session, bench = screen.session, screen.bench
    case = session.case

    def accept(values: dict[str, str]) -> Answered:
        path = signing.target(values)
        who = signing.holder(values)
        suite, name = values["suite"], values["signer"].strip()
        others = [line.strip() for line in values["others"].splitlines() if line.strip()]

        def then(ready: signing.Ready) -> None:
            work = signing.sealing(case, ready, name, suite, path)

            def finish(made: signing.Sealed) -> None:
                signing.record(case, made)
                session.wrote(made.seq, made.path)
                _tell(screen, made)

            bench.start_job("sign", str(path), f"sign {path.name}", work, finish)

        return Later("Opening the key, reading the case, testing the installation…",
                     signing.readying(case, who, suite, others), then)  # fmt: skip

    suites = tuple((s, f"{s}: {' and '.join(NAMES[a] for a in algorithms)}") for s, algorithms in SUITES.items())
    by, public, secret = _who()
    form = Form(
        signing.title(case),
        [
            _key("Private key file (for s2 its second half lies beside it)"),
            Field("signer", "Signs as", value=case.state.examiner),
            Field("out", "Bundle (a new file)", value=str(signing.proposed_path(case))),
            Field("suite", "Suite", "choice", options=suites),
            by,
            public,
            Field("others", "Signs later too, one a line: NAME:ROLE:KEY.pub.pem", "lines"),
            secret,
        ],
        accept,
        note="\n".join(signing.preview_lines(case)),
        button="sign",
    )
    bench.push_screen(form, lambda values: bench.changed() if values else None)


def _tell(screen: StepScreen, made: signing.Sealed) -> None:
    """Where the bundle lies, what its id is, and what can be done with it."""
    bench = screen.bench
    bench.say(f"Signed and written: {made.path}")
    file, cosign = made.path.name, keys.name_of("review", "cosign")
    lines = [
        f"File       {made.path}",
        f"Bundle id  {hex_groups(made.id)}",
        *(f"Signed by  {s}" for s in made.signed),
        *(f"Waits for  {s}" for s in made.waiting),
        "",
        "Next:",
        *([f"  co-sign   {cosign} on Review, or mpk-tui bundle sign {file} --key KEY.pem"] if made.waiting else []),
        f"  verify    {keys.way_to('verify')} here, or with your public key on another machine:",
        f"            mpk-tui verify {file} --key KEY.pub.pem",
        f"  endorse   another person: mpk-tui bundle endorse {file} --kind concur …",
        f"  report    mpk-tui report {file} --key KEY.pub.pem -o REPORT.html",
        "Compare the bundle id when you hand the file over: it names exactly what was signed.",
    ]
    if isinstance(bench.screen, StepScreen):  # a dialog that is being filled in is not covered
        bench.push_screen(Page("Signed" if not made.waiting else "Signed; further signatures awaited",
                               _text(lines)))  # fmt: skip


def _text(lines: list[str]) -> Content:
    return Content("\n".join(shown(x, 600) for x in lines))


def ask_cosign(screen: StepScreen) -> None:
    """Ask for a bundle that waits for a declared signer, show what it says, and add the signature."""
    bench = screen.bench
    seen: list[signing.Unsigned] = []

    def accept(values: dict[str, str]) -> Answered:
        if not values["bundle"].strip():
            return "Type the path of a bundle."

        def then(found: signing.Unsigned) -> None:
            seen.append(found)

        return Later("Reading the bundle…", signing.looking_at(Path(values["bundle"].strip()).expanduser()), then)

    form = Form(
        "Co-sign a bundle",
        [Field("bundle", "Bundle that waits for a declared signer", hint="path of FILE.mpkb")],
        accept,
        button="read",
    )
    bench.push_screen(form, lambda values: _sign_too(screen, seen[-1]) if values and seen else None)


def _sign_too(screen: StepScreen, found: signing.Unsigned) -> None:
    bench = screen.bench
    made: list[signing.Sealed] = []

    def accept(values: dict[str, str]) -> Answered:
        return Later("Opening the key and signing…", signing.cosigning(found, signing.holder(values)), made.append)

    by, public, secret = _who()
    form = Form(
        f"Co-sign {clean(found.path.name, 60)}",
        [_key("Your private key file"), by, public, secret],
        accept,
        note="\n".join(["What you would sign:", *found.lines]),
        button="sign",
    )
    bench.push_screen(form, lambda values: _tell(screen, made[-1]) if values and made else None)
