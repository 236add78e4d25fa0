"""mpk-tui: an offline forensic workbench for the provenance of model checkpoints.

The way of the data is the way of the imports, left to right::

    checkpoint -> fingerprint -> lineage -> constitution -> case -> bundle -> report

``cli`` and ``tui`` are two front doors over the same core.
"""

__version__ = "0.1.0"
