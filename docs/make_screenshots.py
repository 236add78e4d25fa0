"""Make the pictures and the key table of the workbench's guide.

    python docs/make_screenshots.py              # docs/screens/*.svg and docs/keys-of-the-workbench.md
    python docs/make_screenshots.py --keys       # the key table only
    python docs/make_screenshots.py compare      # pictures whose name has this word

The case is the demonstration's: three small models that come with the package, in a folder of a fixed name, under a
clock of its own. The pictures are SVG without any outside resource: the fonts that the renderer would fetch are taken
out, and whatever monospaced font the reader has is asked to keep the columns.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
SCREENS = DOCS / "screens"
KEYS_PAGE = DOCS / "keys-of-the-workbench.md"
FONTS = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
BEGUN = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC, in nanoseconds: when the demonstration's clock begins."""
DAY = 86_400_000_000_000

sys.path.insert(0, str(DOCS.parent))


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name: Of the file.
        pressed: Keys, by Textual's names; ``.`` waits for what a thread brings about, ``'text`` types text.
        size: Columns and rows.
        looks: Theme and repertoire.
        case: Whether the case is open; else Home.
    """

    name: str
    pressed: tuple[str, ...]
    size: tuple[int, int] = (80, 24)
    looks: tuple[str, str] = ("dark", "unicode")
    case: bool = True


SHOTS = (
    Shot("home", (), case=False),
    Shot("case", ("g", "1")),
    Shot("artifacts", ("g", "2")),
    Shot("fingerprint", ("g", "3")),
    Shot("compare", ("g", "4", ".")),
    Shot("figure", ("g", "4", ".", "V", "."), (100, 30)),
    Shot("tensors", ("g", "4", ".", "t", "."), (100, 30)),
    Shot("evidence", ("g", "5")),
    Shot("question", ("g", "6", "right")),
    Shot("mechanism", ("g", "7")),
    Shot("review", ("g", "9")),
    Shot("wide", ("g", "6", "right"), (150, 45)),
    Shot("go", ("g", "8", "g")),
    Shot("help", ("g", "6", "f1")),
    Shot("palette", ("g", "6", "ctrl+p", "'theme", ".")),
    Shot("contrast", ("g", "6", "right"), looks=("contrast", "unicode")),
    Shot("ascii", ("g", "6", "right"), looks=("ansi", "ascii")),
    Shot(
        "verify", ("g", "v", ".", "o", ".", "'demo.mpkb", "tab", "tab", "'keys/demo.pub.pem", "ctrl+s", "."), (100, 30)
    ),
)


@contextmanager
def demonstration(keep: bool) -> Iterator[Path]:
    """A folder with the demonstration's case and bundle, made under a clock that goes a second a look.

    Args:
        keep: Use what an earlier run kept, and keep it again: making it takes a minute.
    """
    from mpk_tui.demo.run import prepare, run_case
    from mpk_tui.demo.seal import seal

    root = Path(tempfile.gettempdir()).resolve() / "mpk-screens"
    if not keep:
        shutil.rmtree(root, ignore_errors=True)
    root.mkdir(exist_ok=True)
    before = dict(os.environ), Path.cwd(), time.time_ns
    os.environ.update(
        XDG_DATA_HOME=str(root / "home"), XDG_CONFIG_HOME=str(root / "home"), XDG_CACHE_HOME=str(root / "home"),
        HOME=str(root / "home"), TZ="UTC",
    )  # fmt: skip
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    made = (root / "demo" / "verification.json").exists()
    ticks = itertools.count(BEGUN + made * DAY, 1_000_000_000)
    time.time_ns = lambda: next(ticks)
    try:
        out = root / "demo"
        if not made:
            prepare(out)
            run_case(out, lambda _: None)
            seal(out, lambda _: None)
        os.chdir(out)
        yield out
    finally:
        time.time_ns = before[2]
        os.chdir(before[1])
        os.environ.clear()
        os.environ.update(before[0])
        time.tzset()
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


def drawn(shot: Shot, folder: Path) -> str:
    """Press the keys and return the picture as SVG."""
    from mpk_tui.tui.app import Workbench
    from mpk_tui.tui.settings import Looks

    app = Workbench(folder / "case" if shot.case else None, looks=Looks(*shot.looks))
    made: list[str] = []

    async def go() -> None:
        async with app.run_test(size=shot.size, notifications=True) as pilot:
            await pilot.pause()
            for key in shot.pressed:
                if key == ".":
                    await settled(app, pilot)
                elif key.startswith("'"):
                    await pilot.press(*[{".": "full_stop", "/": "slash", "-": "minus"}.get(c, c) for c in key[1:]])
                else:
                    await pilot.press(key)
                await pilot.pause()
            await settled(app, pilot)
            made.append(app.export_screenshot(title=f"mpk-tui {shot.size[0]} x {shot.size[1]}", simplify=True))

    asyncio.run(go())
    return lean(made[0])


async def settled(app: Any, pilot: Any) -> None:
    """Wait for jobs and for threads to bring their results."""
    for _ in range(200):
        await pilot.pause(0.02)
        if not app.jobs.live and not any(w.is_running for w in app.workers):
            break
    await pilot.pause(0.1)


def lean(svg: str) -> str:
    """The picture without what it would fetch."""
    svg = re.sub(r"\s*@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family:\s*[^;]+;", f"font-family: {FONTS};", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<g[^>]*>\s*(?:<circle[^>]*/>\s*)+</g>", "", svg)  # a window's buttons, which a terminal has not
    found = [url for url in re.findall(r"(?:https?:)?//[^\s\"')]+", svg) if "www.w3.org" not in url]
    if found:
        raise SystemExit(f"the picture would fetch {found}")
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def key_page() -> str:
    """The page of keys."""
    from mpk_tui.tui import keymap, keys

    return KEYS_HEAD + keymap.as_markdown(keys.KEYS)


KEYS_HEAD = """# Keys of the workbench

Made from the program's own table by `python docs/make_screenshots.py --keys`; a test holds this page against it. `^q`
is Ctrl and q together. A key of one character works while no field has the focus. [workbench.md](workbench.md) tells
how to change keys: the word in brackets is the section, the action's name the line.

Some keys do not arrive everywhere. A serial line with software flow control keeps `^s` and `^q` (the workbench switches
it off in its own terminal, but not in a modem or a terminal server on the way), GNU screen keeps `^a`, tmux `^b`,
`docker attach` `^p`; some windows keep F1, F10 or F11. So no action hangs on such a key alone: `F4` saves as `^s` does,
`F10` quits as `^q` does and so does `g` then `q`, `F3` opens the palette as `^p` does, and `?` Help as `F1` does.

"""


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="only pictures whose name has this word")
    parser.add_argument("--keys", action="store_true", help="only the page of keys")
    parser.add_argument("--keep", action="store_true", help="keep the demonstration's folder for the next run")
    args = parser.parse_args()
    KEYS_PAGE.write_text(key_page(), "utf-8")
    if args.keys:
        return
    SCREENS.mkdir(exist_ok=True)
    with demonstration(args.keep) as folder:
        for shot in SHOTS:
            if args.word in shot.name:
                text = drawn(shot, folder)
                (SCREENS / f"{shot.name}.svg").write_text(text, "utf-8")
                print(f"{shot.name}.svg  {len(text):,} bytes")


if __name__ == "__main__":
    main()
