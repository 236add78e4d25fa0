"""The parts of a report, each a function from a verified bundle to sections; `mpk_tui.report.compose` joins them."""
