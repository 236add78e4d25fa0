"""One analyst's work: an append-only journal, and the state that is a fold over it.  Standard library only."""

from mpk_tui.case.store import Case, create_case, open_case

__all__ = ["Case", "create_case", "open_case"]
