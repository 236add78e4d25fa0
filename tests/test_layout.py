"""The way of the data, checked by reading the imports: each package imports only what stands to its left."""

from __future__ import annotations

import ast
import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mpk_tui"

GROUND = frozenset({"errors", "text", "progress", "apart", "files", "canonical", "hashtree", "records"})
LINE = ("checkpoint", "fingerprint", "lineage", "constitution", "case", "bundle", "report")
ALLOWED: dict[str, frozenset[str]] = dict.fromkeys(GROUND, GROUND)
ALLOWED |= {name: GROUND | set(LINE[: n + 1]) for n, name in enumerate(LINE)}
# Keys hang on bundle: they may use what it may; what stands to the right of it may use both.
ALLOWED["keys"] = ALLOWED["bundle"] | {"keys"}
ALLOWED["report"] |= {"keys"}
# The family graph knows names, findings and documents as text; whoever draws it needs no number behind them.
ALLOWED["family"] = GROUND | {"family"}
ALLOWED["report"] |= {"family"}
# What another tool would say is computed from checkpoints alone; no finding of ours reads it.
ALLOWED["kit"] = ALLOWED["fingerprint"] | {"kit"}
# Reference fingerprints hang on fingerprint and lineage, their signed packs on bundle and keys; a case knows nothing of
# where they are kept.
ALLOWED["library"] = ALLOWED["keys"] | {"family", "kit", "library"}
# Other people's signatures are read with our hashing and nothing of our own bundle; a case never reads them by itself.
ALLOWED["modelsig"] = GROUND | {"checkpoint", "fingerprint", "modelsig"}
ALLOWED["report"] |= {"modelsig"}
# The demonstration signs a bundle, and a bundle carries the record of a self-test.
ALLOWED["selftest"] = ALLOWED["report"] | {"selftest"}
ALLOWED["demo"] = ALLOWED["selftest"] | {"demo"}
# A drive full of checkpoints is swept with all of this.
ALLOWED["sweep"] = ALLOWED["selftest"] | {"library", "kit", "sweep"}
ALLOWED["cli"] = ALLOWED["demo"] | {"kit", "library", "sweep", "cli"}
ALLOWED["tui"] = ALLOWED["demo"] | {"kit", "library", "sweep", "tui"}

TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "mpk_tui", "bundles", "schemas", "tests", "docs"}
BANNED = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}
LONGEST = 500

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(source: str, module: str, *, is_package: bool) -> list[tuple[str, bool]]:
    """First component below ``mpk_tui`` of everything of ours that ``source`` imports, and whether it is lazy."""
    found: list[tuple[str, bool]] = []
    parts = module.split(".")
    package = parts if is_package else parts[:-1]

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) - node.level + 1] if node.level else []
            stem = [*stem, *(node.module.split(".") if node.module else [])]
            names = [".".join([*stem, alias.name]) for alias in node.names]
        else:
            names = []
        for name in names:
            own = name.split(".")
            if own[0] == "mpk_tui" and len(own) > 1:
                found.append((own[1], lazy))
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Sentences about imports of ``module`` that go against the direction."""
    room = module.split(".")[1] if "." in module else ""
    if room in ("", "__main__"):
        return []
    out = []
    for name, lazy in imports(source, module, is_package=is_package):
        if name.startswith("__") or name in ALLOWED[room]:
            continue
        if module in ("mpk_tui.cli.tui", "mpk_tui.cli.keymap") and name == "tui" and lazy:
            continue
        out.append(f"{module} imports mpk_tui.{name}")
    return out


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_room_is_known() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or any(p.glob("*.py"))}
    assert rooms - {"__init__", "__main__"} <= set(ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_to_the_left(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert faults(source, dotted(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mpk_tui.errors", "from mpk_tui.checkpoint import open"),
        ("mpk_tui.checkpoint.folder", "import mpk_tui.fingerprint.build"),
        ("mpk_tui.checkpoint.folder", "from ..lineage import rowtest"),
        ("mpk_tui.fingerprint.build", "def f():\n    from mpk_tui.case import journal"),
        ("mpk_tui.bundle.verify", "from mpk_tui import report"),
        ("mpk_tui.bundle.build", "from mpk_tui.keys import private"),
        ("mpk_tui.constitution.norm", "if True:\n    import mpk_tui.case as c"),
        ("mpk_tui.cli.compare", "from mpk_tui.tui import app"),
        ("mpk_tui.cli.tui", "from mpk_tui.tui import app"),
        ("mpk_tui.tui.app", "from mpk_tui.cli.output import emit"),
        ("mpk_tui.demo.run", "from mpk_tui.cli import output"),
    ],
)
def test_the_check_sees_a_wrong_import(module: str, source: str) -> None:
    assert len(faults(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mpk_tui.checkpoint.folder", "from .model import Checkpoint\nfrom ..errors import MpkError"),
        ("mpk_tui.keys.private", "from mpk_tui.bundle import suites\nfrom mpk_tui import __version__"),
        ("mpk_tui.cli.tui", "def run(a):\n    from mpk_tui.tui.app import Workbench"),
        ("mpk_tui.lineage.rowtest", "import numpy\nfrom mpk_tui.fingerprint.units import feature_map"),
    ],
)
def test_the_check_accepts_a_right_import(module: str, source: str) -> None:
    assert faults(source, module) == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_hold_one_concept(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{path.name} has {lines} lines; split it by concept"
    words = {word for part in path.relative_to(PACKAGE).with_suffix("").parts for word in part.split("_")}
    assert not words & BANNED, "name a module after its concept"


def test_top_level_holds_only_what_was_agreed() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    entries = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    kept = {e for e in entries if not any(fnmatch.fnmatch(e, pattern) for pattern in ignored)}
    assert kept <= TOP_LEVEL
    assert {"pyproject.toml", "README.md", "LICENSE", "mpk_tui", "tests", "docs"} <= kept


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    text = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(p.name for p in folder.glob("[0-9]*.md"))
    assert len(pages) >= 3
    assert [name for name in pages if f"]({name})" not in text] == []


def test_links_in_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_everything_beside_the_code_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["mpk_tui"]
    matched = {p for pattern in patterns for p in PACKAGE.glob(pattern)}
    data = {p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert {p.name for p in data - matched} == set()
