"""A short piece of work in a thread of its own, which waits behind no job: a file held against its digest, say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken
from mpk_tui.tui.screens.step import StepScreen

T = TypeVar("T")


def aside(
    screen: StepScreen,
    saying: str,
    work: Callable[[CancelToken], T],
    then: Callable[[T], None],
    failed: Callable[[str], None] | None = None,
) -> None:
    """Run work in a thread, then its end on the interface's thread; nothing happens if the screen is gone by then.

    Args:
        screen: Who asks.
        saying: What goes on, said meanwhile.
        work: Touches no widget and no journal.
        then: Takes the result.
        failed: Takes a sentence in place of a line that says it.
    """
    bench, token = screen.bench, CancelToken()
    bench.say(saying)

    def end(results: list[T], fault: str) -> None:
        if not screen.is_mounted:
            return
        screen.hush()
        if fault:
            (failed or (lambda text: bench.say(text, bad=True)))(fault)
        elif results:
            bench.attempt(lambda: then(results[0]))

    def run() -> None:
        results: list[T] = []
        fault = ""
        try:
            results.append(work(token))
        except CancelledError:
            pass
        except MpkError as error:
            fault = error.diagnosis()
        except OSError as error:
            fault = f"{error.filename or 'a file'}: {error.strerror or error}"
        except Exception as error:
            # A fault of ours must not end the session with the examiner's work open.
            fault = f"internal fault ({type(error).__name__}); please report"
        bench.call_later(end, results, fault)

    screen.run_worker(run, thread=True, exit_on_error=False, group="aside")
