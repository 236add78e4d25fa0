"""The wizard's questions about what is under examination: artifacts, fingerprints, comparisons, hashing again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mpk_tui.case import Case, actions, artifacts, resuming
from mpk_tui.case.intake import ContradictionError, Intake, measure_intake
from mpk_tui.checkpoint.open import Opening
from mpk_tui.cli.output import progress_bar
from mpk_tui.cli.wizard.asking import Asking
from mpk_tui.cli.wizard.step import Step
from mpk_tui.fingerprint.record import looks_like_fingerprint

_ROLES = {"s": "subject", "r": "reference", "a": "adapter", "t": "tokenizer"}


def steps(case: Case, to: Asking) -> list[Step]:
    """Artifacts, then a fingerprint for each and a comparison for each pair."""
    state = case.state
    out = [Step("artifacts", partial(_artifacts, case, to))]
    out += [
        Step(f"fingerprint {a.id}", partial(_fingerprint, case, to, a.id), bool(a.fingerprint))
        for a in state.artifacts.values()
    ]
    for pair in state.pairs:
        made = state.comparisons.get(pair)
        prints = tuple(state.artifacts[i].fingerprint for i in pair.split(":"))
        fresh = made is not None and all(p in ("", f) for p, f in zip(prints, made.fingerprints, strict=True))
        out.append(Step(f"compare {pair}", partial(_compare, case, to, pair), fresh))
    return out


def hashed_again(case: Case, to: Asking) -> list[Step]:
    """Whether everything is unchanged after the analysis."""
    last: dict[str, str] = {}
    for e in case.entries:
        if e.act in ("hash_before", "hash_after"):
            last[str(e.params["id"])] = e.act
    return [
        Step(f"rehash {a.id}", partial(_rehash, case, to, a.id), last.get(a.id) == "hash_after")
        for a in case.state.artifacts.values()
        if a.fingerprint
    ]


def _artifacts(case: Case, to: Asking) -> bool:
    state = case.state
    for a in state.artifacts.values():
        to.say(f"  {a.id} {a.role}: {a.label}{', fingerprinted' if a.fingerprint else ''}")
        for sentence in a.lists:
            to.say(f"    hash list {sentence}")
    roles = {a.role for a in state.artifacts.values()}
    missing = [r for r in ("subject", "reference") if r not in roles]
    options = {k: f"add a {v}" if v != "adapter" else "add an adapter" for k, v in _ROLES.items()}
    if state.artifacts:
        options["d"] = "take one out"
    key = to.choose(
        f"Artifacts{f'; a case needs a {missing[0]}' if missing else ''}", {**options, "": "goes on"},
        more=("The subject is the model in question; it is compared with every reference.",
              "An adapter that belongs to a pair is added as subject or reference, with its base."),
    )  # fmt: skip
    if not key:
        return False
    if key == "d":
        artifacts.remove_artifact(case, to.ask("  Id of the artifact to take out", needed=True))
        return True
    _add(case, to, _ROLES[key])
    return True


def _add(case: Case, to: Asking, role: str) -> None:
    path = Path(to.ask(f"  Path of the {role}", more=("A folder, a file, or a fingerprint file.",), needed=True))
    path = path.expanduser()
    label = to.ask("  What people call it", path.name)
    note = to.ask("  Where it came from, how it was copied; Enter for nothing")
    kind = to.choose(
        "  Anything special", {"p": "parts may be missing", "m": "one of several models in the folder",
                               "a": "an adapter, to be put onto its base", "": "nothing"},
    )  # fmt: skip
    model = to.ask("  Name of the model, as a listing of the folder gives it", needed=True) if kind == "m" else ""
    base = Path(to.ask("  Path of its base", needed=True)).expanduser() if kind == "a" else None
    lists: list[Path] = []
    while given := to.ask(f"  {'Another acquisition' if lists else 'Acquisition'} hash list (a path); Enter for none"):
        lists.append(Path(given).expanduser())
    how = Opening(model, kind == "p", base, isolate=True)
    _look_into(path, how)
    checked = _held(path, lists, to) if lists else None
    made = artifacts.add_artifact(case, path, role=role, label=label, note=note, how=how, intake=checked)
    to.say(f"  {made.id} is {made.label}.")


def _look_into(path: Path, how: Opening) -> None:
    """Open its headers, in another process, so that what cannot be examined is refused at once."""
    from mpk_tui.checkpoint.open import open_checkpoint

    if path.exists() and not looks_like_fingerprint(path):
        open_checkpoint(path, None, how)


def _held(path: Path, lists: list[Path], to: Asking) -> Intake:
    try:
        return measure_intake(path, lists, "", progress_bar())
    except ContradictionError as error:
        for line in error.lines[:50]:
            to.say(f"  CONTRADICTS: {line}")
        if len(error.lines) > 50:
            to.say(f"  and {len(error.lines) - 50} more")
        reason = to.ask(
            "  Why it is taken in all the same; b goes back", needed=True,
            more=("The reason is recorded with the contradictions. Going back takes nothing in.",),
        )  # fmt: skip
        return measure_intake(path, lists, reason, progress_bar())


def _fingerprint(case: Case, to: Asking, id: str) -> None:
    known = case.state.artifacts[id].fingerprint
    if to.yes(f"Fingerprint {id} {'again' if known else 'now'}", not known, more=("Hashes every file once.",)):
        made = resuming.fingerprint_resumably(case, id, progress_bar(), isolate=True)
        to.say(f"  {id}: tensor root {made.fingerprint.root.hex()}")
        for notice in (*made.sentences(), *made.fingerprint.notices):
            to.say(f"  {notice}")


def _compare(case: Case, to: Asking, pair: str) -> None:
    known = case.state.comparisons.get(pair)
    if to.yes(f"Compare {pair} {'again' if known else 'now'}", known is None):
        record = actions.compare_pair(case, pair, progress_bar(), isolate=True)
        to.say(f"  Finding: {record['finding']}. {record['sentence']}")


def _rehash(case: Case, to: Asking, id: str) -> None:
    if to.yes(f"Hash {id} again, to record whether it is unchanged after the analysis", True):
        same = artifacts.rehash_artifact(case, id, progress_bar())
        to.say(f"  {id} is {'unchanged' if same else 'CHANGED since its fingerprint'}.")
