"""Which tokenizer class ``AutoTokenizer`` takes for a folder (transformers 5.24.0, ``tokenization_auto.py``).

The Kit loads whatever that is and never runs code of a model (provenancekit 1.0.0, ``trust_remote_code`` is off).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.errors import UnsupportedError
from mpk_tui.kit.configuration import Configuration, facts

PLAIN = "TokenizersBackend"
"""The class that takes ``tokenizer.json`` as it is."""
_GENERIC = (PLAIN, "PythonBackend", "PreTrainedTokenizerFast")


def class_of(configuration: Configuration, settings: Mapping[str, Any], byte_level: bool, where: str) -> str:
    """Name of the class as its package has it.

    Args:
        configuration: Of the model.
        settings: ``tokenizer_config.json``, empty if there is none.
        byte_level: Whether ``tokenizer.json`` speaks of a byte-level step anywhere.
        where: For messages.

    Raises:
        UnsupportedError: The Kit would have to run code of the model.
    """
    table = facts()
    kind = configuration.model_type
    mapped = table["tokenizers_of"].get(kind)
    own = settings.get("tokenizer_class")
    own = own if isinstance(own, str) and own else None
    stated = own or _text(configuration.get("tokenizer_class", None))
    remote = _remote(settings)
    wrong = kind in table["wrong_class"]
    if remote is None and stated is not None:
        if stated.removesuffix("Fast") == "LlamaTokenizer" and not wrong and byte_level:
            return PLAIN
        if mapped and mapped.removesuffix("Fast") != stated.removesuffix("Fast"):
            registered = mapped.removesuffix("Fast")
            if registered not in _GENERIC:
                found = _named(registered if wrong else stated)
                if found is not None and found not in _GENERIC:
                    return found
            return PLAIN
    if remote is not None and not wrong and mapped is None and (own is None or _named(own) is None):
        raise UnsupportedError("the Kit has no answer: this tokenizer is code of the model's own", where=where)
    if own is not None:
        found = _named(own.removesuffix("Fast")) or _named(own.removesuffix("Fast") + "Fast")
        return PLAIN if found in (None, "PythonBackend") else str(found)
    if stated is not None:
        found = _named(stated if "PreTrainedTokenizerFast" in stated else stated.removesuffix("Fast"))
        if found is None:
            raise UnsupportedError(f"the Kit has no answer: no tokenizer class {stated[:80]!r}", where=where)
        return found
    return _named(mapped) or PLAIN if mapped else PLAIN


def _remote(settings: Mapping[str, Any]) -> Any:
    stated = settings.get("auto_map")
    return stated.get("AutoTokenizer") if isinstance(stated, dict) else stated


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _named(name: str) -> str | None:
    """The name that the class of a name has itself, None where transformers knows none."""
    classes = facts()["classes"]
    row = classes.get(name) or classes.get(name.removesuffix("Fast"))
    return str(row[0]) if row else None


def constructor(name: str) -> tuple[str, bool] | None:
    """Whose constructor a class runs and whether it is its own; None for a class that does not build on tokenizers."""
    rows = facts()["classes"].values()
    row = next((r for r in rows if r[0] == name and r[1]), None)
    return (str(row[1]), bool(row[2])) if row else None
