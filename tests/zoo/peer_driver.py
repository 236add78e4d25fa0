"""Runs inside a peer's own environment: pairs in on standard input, one JSON line out for each.

    kit/bin/python tests/zoo/peer_driver.py kit < pairs.jsonl

Imports nothing of ours.  A line in is ``{"a": path, "b": path}``; a line out adds the peer's own verdict and scores, or
an error.  The first line out says what the peer is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from importlib.metadata import version


class Memory:
    """Features of models seen in this run, kept in memory: every model is read once, as a user with a cache would."""

    def __init__(self):
        self._kept = {}

    def get(self, model_id):
        """What was kept, or None."""
        return self._kept.get(model_id)

    def put(self, model_id, entry):
        """Keep it."""
        self._kept[model_id] = entry

    def clear(self, model_id=None):
        """Forget one or all."""
        self._kept.pop(model_id, None) if model_id else self._kept.clear()


def kit(fresh):
    """Cisco's Model Provenance Kit."""
    import structlog
    from provenancekit.core.scanner import ModelProvenanceScanner
    from provenancekit.services.cache import NullCache

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    scanner = ModelProvenanceScanner(cache=NullCache() if fresh else Memory())

    def compare(a, b):
        found = scanner.compare(a, b)
        scores = {"pipeline": found.scores.pipeline_score, "identity": found.scores.identity_score}
        scores |= {"tier": found.scores.mfi_tier, "mfi": found.scores.mfi_score}
        return found.scores.provenance_decision, {
            **scores, "tokenizer": found.scores.tokenizer_score, **found.signals.model_dump()
        }  # fmt: skip

    return "cisco-ai-provenance-kit", compare


def modeldna(fresh):
    """modelDNA."""
    from modeldna.compare import compare_fingerprints
    from modeldna.fingerprint.extract import extract_fingerprint
    from modeldna.io.source import open_source
    from modeldna.scan import compare_pair
    from modeldna.verdict import judge

    seen = {}

    def fingerprint(path):
        if path not in seen:
            seen[path] = extract_fingerprint(open_source(path, revision="main"), mode="fast", model_id=path)
        return seen[path]

    def compare(a, b):
        if fresh:
            verdict = compare_pair(a, b)[3]
        else:  # the steps of compare_pair, with every model read once
            left, right = fingerprint(a), fingerprint(b)
            verdict = judge(
                [(compare_fingerprints(left, right), b)],
                suspect_dtype=left.arch.torch_dtype,
                candidate_dtypes={b: right.arch.torch_dtype},
            )
        return verdict.verdict.value, {"probability": verdict.probability}

    return "modeldna", compare


def main():
    """Answer pair by pair until the input ends."""
    fresh = "--fresh" in sys.argv[2:]
    # Whatever the peer prints goes to standard error; standard output is the answer.
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        package, compare = {"kit": kit, "modeldna": modeldna}[sys.argv[1]](fresh)
        print(json.dumps({"package": package, "version": version(package)}), file=out, flush=True)
        for line in sys.stdin:
            pair = json.loads(line)
            began = time.perf_counter()
            try:
                verdict, scores = compare(pair["a"], pair["b"])
                answer = {"verdict": verdict, "scores": scores}
            except KeyboardInterrupt:
                return
            except BaseException as e:  # the peer's fault, told as such; SystemExit too
                answer = {"error": f"{type(e).__name__}: {e}"[:300]}
            print(json.dumps({**pair, **answer, "seconds": time.perf_counter() - began}), file=out, flush=True)


if __name__ == "__main__":
    main()
