"""A report of a bundle that was checked, as the interface asks for it: the same calls as ``mpk-tui report``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mpk_tui.errors import UsageError
from mpk_tui.files import write_file
from mpk_tui.progress import CancelToken, Report
from mpk_tui.report.exports import choose
from mpk_tui.report.source import Source
from mpk_tui.tui.verifying import Opened, new_file


def reporting(opened: Opened, values: dict[str, str]) -> tuple[Callable[[Report, CancelToken], tuple[str, ...]], Path]:
    """Take the form's values; making and writing the report is work for a thread, which returns notes.

    Args:
        opened: The bundle as it was shown; what may not be shown is not reported.
        values: ``out``, ``classification``, ``pair``, ``artifact`` as typed.

    Raises:
        UsageError: The ending tells no format, an option does not go with it, or the content was not shown.
        StorageError: The target exists or its folder cannot be written.
    """
    outcome, data = opened.outcome, opened.checked.data
    contents = outcome.shown(untrusted=opened.untrusted)
    if contents is None or outcome.manifest is None or data is None:
        raise UsageError("what may not be shown is not reported")
    path = new_file(values["out"])
    try:
        chosen = choose(path.name, None)
    except UsageError:
        raise UsageError(f"{path.name!r} has no ending that tells a format; they are listed above") from None
    artifact, banner, pair = (values[name].strip() for name in ("artifact", "classification", "pair"))
    if artifact and not chosen.of_artifact:
        raise UsageError(f"an artifact has no meaning for the format {chosen.name}; it is for hash lists")
    if (banner or pair) and not chosen.is_report:
        raise UsageError(f"a banner or a pair has no meaning for the format {chosen.name}; they are for reports")
    source = Source(
        data, opened.request.bundle.name, outcome, outcome.manifest, contents, opened.checked.at,
        opened.checked.store.dated, artifact, edition=opened.checked.store.edition,
        classification=banner, pair=pair,
    )  # fmt: skip

    def work(report: Report, cancel: CancelToken) -> tuple[str, ...]:
        made = chosen.write(source)
        cancel.check()
        write_file(new_file(str(path)), made.data)
        return tuple(([source.warning] if source.warning else []) + list(made.notes))

    return work, path
