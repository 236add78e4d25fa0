"""Options that say what is said of an entry: the same for ``add`` and ``change``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mpk_tui.cli.output import narrate
from mpk_tui.errors import UsageError

if TYPE_CHECKING:  # declaring options needs nothing of the library
    from mpk_tui.library.entry import Parent
    from mpk_tui.library.reading import Reader

_OF_PARENT = {"parent_kind": "kind", "parent_evidence": "evidence", "parent_source": "source"}


class _Parents(argparse.Action):
    """Collects parents; what is said of one belongs to the ``--parent`` before it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given: list[dict[str, str]] = list(namespace.parents or ())
        if self.dest == "parent":
            given.append({"text": str(values)})
        elif not given:
            parser.error(f"{option} belongs behind the --parent that it is about")
        elif _OF_PARENT[self.dest] in given[-1]:
            parser.error(f"{option} stands twice behind one --parent")
        else:
            given[-1] = given[-1] | {_OF_PARENT[self.dest]: str(values)}
        namespace.parents = given


def add_facts(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(parents=None)
    parser.add_argument("--alias", action="append", default=None, metavar="NAME", help="another name; may be repeated")
    parser.add_argument("--source", metavar="TEXT", help="who released it, or where that is documented")
    parser.add_argument("--licence", "--license", metavar="TEXT", help="as stated")
    parser.add_argument(
        "--location", metavar="TEXT", help="where the weights lie or can be had; never opened by itself"
    )
    parser.add_argument("--note", metavar="TEXT", help="anything else")
    parser.add_argument(
        "--parent", action=_Parents, default=argparse.SUPPRESS, metavar="NAME|HEX[:3.x]",
        help="a documented parent, with the number of the mechanism if it is documented; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--parent-kind", action=_Parents, default=argparse.SUPPRESS, choices=("a", "b", "c"),
        help="kind of the evidence for the --parent before: a documentation of the releasing organisation, b "
        "checkpoint verification, c peer-reviewed analysis; without one the parent is a claim",
    )  # fmt: skip
    parser.add_argument(
        "--parent-evidence", action=_Parents, default=argparse.SUPPRESS, metavar="TEXT",
        help="the words of the document, or the digest of what was checked",
    )  # fmt: skip
    parser.add_argument(
        "--parent-source", action=_Parents, default=argparse.SUPPRESS, metavar="TEXT", help="where that stands"
    )


def parents_of(library: Reader | None, given: Sequence[dict[str, str]]) -> tuple[Parent, ...]:
    """Parents as the options name them, looked up in a library; it is said which were not found there.

    Raises:
        UsageError: Several entries could be meant.
    """
    from mpk_tui.library.adding import not_found, parent

    out = []
    for p in given:
        said = {field: p.get(field, "") for field in ("kind", "evidence", "source")}
        made = parent(library, p["text"], **said)
        for sentence in not_found(p["text"], made):
            narrate(f"note: {sentence}")
        out.append(made)
    return tuple(out)


def stated(args: argparse.Namespace) -> dict[str, Any]:
    """The plain texts that were given, by field of `mpk_tui.library.entry.Facts`."""
    out: dict[str, Any] = {
        name: getattr(args, name)
        for name in ("source", "licence", "location", "note")
        if getattr(args, name) is not None
    }
    if args.alias is not None:
        out["aliases"] = tuple(args.alias)
    return out


def one_name(args: argparse.Namespace, count: int) -> None:
    """A name is for one path.

    Raises:
        UsageError: It was given for several.
    """
    if args.name is not None and count > 1:
        raise UsageError("--name is for one path", hint="Add them one by one, or leave the names to their paths")
