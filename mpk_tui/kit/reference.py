"""The Kit's reference database: families, assets and what it measured of each.  Leads only; nothing here decides.

Sources: the README of the database in cisco-ai-provenance-kit 1.0.0 (``data/database/README.md``) for the layout, its
``models/storage.py`` and ``models/signals.py`` for the fields, their defaults and what must be there, its
``services/database.py`` for the order: shards as the manifest lists them, assets as their shards do.  We read more
strictly than the Kit, which turns text into numbers where it can and keeps the last of two assets of one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.kit import fields as f
from mpk_tui.kit.record import Metadata, TokenizerFeatures
from mpk_tui.kit.source import MANIFEST, Tree
from mpk_tui.progress import CancelToken, Meter, Report, silent

MAX_SHARDS = 4_000
MAX_ASSETS = 50_000
"""Of all shards together; version 1.0.0 has 152 assets in 39 shards."""
MAX_FILE = 4 << 20
"""Bytes of one JSON file; the largest of version 1.0.0 has 20 kB."""
MAX_ALL = 512 << 20
MAX_NOTICES = 20
DEEP = "deep_signals"
"""The type of the artifact that holds an asset's weight signals."""

_OPTIONAL_WHOLE = f.maybe(f.whole)
MFI: dict[str, f.Kind] = {
    "model_type": f.text, "architectures": f.items(f.text, 64), "hidden_size": f.whole, "num_hidden_layers": f.whole,
    "num_attention_heads": f.whole, "num_key_value_heads": _OPTIONAL_WHOLE, "intermediate_size": f.whole,
    "vocab_size": f.whole, "max_position_embeddings": f.whole, "hidden_act": f.maybe(f.text),
    "rope_theta": f.maybe(f.number), "tie_word_embeddings": f.maybe(f.flag), "bos_token_id": _OPTIONAL_WHOLE,
    "eos_token_id": _OPTIONAL_WHOLE, "gqa_ratio": f.number, "attention_style": f.text, "norm_type": f.text,
    "attention_bias": f.maybe(f.flag), "qk_norm": f.flag, "pos_encoding": f.text, "head_dim": _OPTIONAL_WHOLE,
    "tokenizer_hash": f.text, "token_id_signature": f.text, "arch_hash": f.text, "family_hash": f.text,
}  # fmt: skip
"""Fields of the metadata signal.  ``rope_scaling`` is left out: it is hashed before it is stored and never compared."""
TFV: dict[str, f.Kind] = {
    "vocab_size": f.count, "tokenizer_class": f.text, "bos_token_id": _OPTIONAL_WHOLE,
    "eos_token_id": _OPTIONAL_WHOLE, "num_merges": f.count, "merge_rule_hash": f.text, "all_merges_str": f.long_text,
    "special_token_ids": f.table(_OPTIONAL_WHOLE, 256), "avg_token_length": f.number,
    "pct_whitespace_prefix": f.number, "pct_byte_tokens": f.number, "script_distribution": f.table(f.number, 256),
}  # fmt: skip
"""Fields of the tokenizer signal that its similarity reads."""
SUMMARY: dict[str, f.Kind] = {"nlf_mode": f.maybe(f.text), "nlf_num_layers": f.count}
"""What the similarity of weight signals needs besides the arrays."""
ASSET: dict[str, f.Kind] = {
    "asset_id": f.text, "model_id": f.text, "canonical_name": f.text, "format": f.text, "source_uri": f.text,
    "checksums": f.table(f.text, 64), "param_bucket": f.text,
}  # fmt: skip
FAMILY: dict[str, f.Kind] = {
    "family_id": f.text, "display_name": f.text, "publisher": f.text, "baseline_model_ids": f.items(f.text, 4096),
}  # fmt: skip
_ASSET_DEFAULTS: dict[str, Any] = {
    "canonical_name": "", "format": "other", "source_uri": "", "checksums": [], "param_bucket": ""
}  # fmt: skip
_TFV_DEFAULTS: dict[str, Any] = {
    "bos_token_id": None, "eos_token_id": None, "num_merges": 0, "merge_rule_hash": "", "all_merges_str": "",
    "special_token_ids": [], "avg_token_length": 0.0, "pct_whitespace_prefix": 0.0, "pct_byte_tokens": 0.0,
    "script_distribution": [],
}  # fmt: skip

mfi_of = f.record(MFI, {"head_dim": None})
tfv_of = f.record(TFV, _TFV_DEFAULTS)
summary_of = f.record(SUMMARY, {"nlf_mode": None, "nlf_num_layers": 0})
asset_of = f.record(ASSET, _ASSET_DEFAULTS)
family_of = f.record(FAMILY, {"baseline_model_ids": []})

_MANIFEST = f.record({"shards": f.items(f.record({"family_id": f.text, "shard_path": f.text}, {}), MAX_SHARDS)}, {})
_LISTED = f.record({**ASSET, "feature_path": f.text}, {**_ASSET_DEFAULTS, "feature_path": ""})
_SHARD = f.record({"family": family_of, "assets": f.items(_LISTED, MAX_ASSETS)}, {"assets": []})
_ARTIFACT = f.record({"type": f.text, "path": f.text, "checksum": f.text}, {"checksum": ""})
_BUNDLE = f.record(
    {"mfi": mfi_of, "tfv": tfv_of, "signals": summary_of, "artifact_refs": f.items(_ARTIFACT, 64)},
    {"signals": {"nlf_mode": None, "nlf_num_layers": 0}, "artifact_refs": []},
)


@dataclass(frozen=True)
class Asset:
    """One model of the database, as the database describes it: claims of a stranger's file.

    Attributes:
        facts: Fields of `ASSET`.
        family: Index of its family.
        mfi: Fields of `MFI`.
        tfv: Fields of `TFV`.
        summary: Fields of `SUMMARY`.
        deep: SHA-256 of our file of its weight signals, or empty: none were there.
        deep_path: Where the database says they lie, or empty: it names none.
        deep_checksum: The database's checksum of that file, e.g. ``sha256:…``, or empty.
    """

    facts: Mapping[str, Any]
    family: int
    mfi: Mapping[str, Any]
    tfv: Mapping[str, Any]
    summary: Mapping[str, Any]
    deep: bytes = b""
    deep_path: str = ""
    deep_checksum: str = ""

    @property
    def asset_id(self) -> str:
        """The database's name of it."""
        return str(self.facts["asset_id"])

    @property
    def model_id(self) -> str:
        """Name of the model."""
        return str(self.facts["model_id"])

    @property
    def param_bucket(self) -> str:
        """The size class by which the Kit filters first."""
        return str(self.facts["param_bucket"])

    @cached_property
    def metadata(self) -> Metadata:
        """The metadata signal."""
        return Metadata(**{**self.mfi, "architectures": tuple(self.mfi["architectures"])}, rope_scaling=None)

    @cached_property
    def tokenizer(self) -> TokenizerFeatures:
        """The tokenizer signal."""
        tables = ("special_token_ids", "script_distribution")
        return TokenizerFeatures(**{**self.tfv, **{name: dict(self.tfv[name]) for name in tables}})


@dataclass(frozen=True)
class Reference:
    """A database as it was read.

    Attributes:
        kind: ``package``, ``wheel`` or ``folder``.
        version: Of the Kit, or empty.
        licence: Of the package, or empty.
        content: SHA-256 over names and digests of all files that were read: equal for a wheel and its installation.
        at: When it was imported, milliseconds since 1970, UTC; 0 before.
        who: Who imported it.
        families: Fields of `FAMILY`.
        assets: In the database's order, by which equal scores are ranked.
        notices: What was left out, as sentences.
    """

    kind: str
    version: str
    licence: str
    content: bytes
    at: int
    who: str
    families: tuple[Mapping[str, Any], ...]
    assets: tuple[Asset, ...]
    notices: tuple[str, ...] = ()

    @property
    def deep(self) -> int:
        """Number of assets with weight signals."""
        return sum(bool(a.deep) for a in self.assets)

    def family(self, asset: Asset) -> Mapping[str, Any]:
        """The family that an asset stands in."""
        return self.families[asset.family]


def read_database(tree: Tree, report: Report = silent, cancel: CancelToken | None = None) -> Reference:
    """Read catalogue and base features; weight signals are `mpk_tui.kit.deep`'s.

    Args:
        tree: From `mpk_tui.kit.source.open_tree`.
        report: Progress by shard.
        cancel: Polled between files.

    Raises:
        MalformedError: A file does not follow the format; file and field are named.
        LimitError: More than is accepted.
    """
    reading = _Reading(tree, cancel)
    manifest = _MANIFEST(reading.json(MANIFEST), f"{tree.where}, {MANIFEST}", "")
    meter = Meter(report, "reading the database", len(manifest["shards"]) or 1, unit="steps")
    for shard in manifest["shards"]:
        reading.shard(shard["family_id"], shard["shard_path"])
        meter.add(1, shard["family_id"])
    content = hashtree.sha256(canonical.encode(sorted(reading.digests)))
    return Reference(
        tree.kind, tree.version, tree.licence, content, 0, "", tuple(reading.families), tuple(reading.assets),
        _few(reading.notices),
    )  # fmt: skip


def _few(notices: list[str]) -> tuple[str, ...]:
    more = len(notices) - MAX_NOTICES
    return (*notices[:MAX_NOTICES], *((f"and {more} more of this kind",) if more > 0 else ()))


class _Reading:
    def __init__(self, tree: Tree, cancel: CancelToken | None) -> None:
        self._tree, self._cancel = tree, cancel
        self._bytes = 0
        self.digests: list[list[Any]] = []
        self.families: list[Mapping[str, Any]] = []
        self.assets: list[Asset] = []
        self.notices: list[str] = []
        self._seen: set[str] = set()

    def json(self, name: str) -> Any:
        if self._cancel is not None:
            self._cancel.check()
        data = self._tree.read(name, MAX_FILE)
        self._bytes += len(data)
        if self._bytes > MAX_ALL:
            raise LimitError(f"more than {MAX_ALL} bytes of JSON", where=self._tree.where)
        self.digests.append([name, hashtree.sha256(data)])
        return f.parse(data, f"{self._tree.where}, {name}")

    def shard(self, family_id: str, path: str) -> None:
        if self._tree.size(path) is None:
            self.notices.append(f"the shard of {family_id} is not there ({path})")
            return
        where = f"{self._tree.where}, {path}"
        shard = _SHARD(self.json(path), where, "")
        self._once("family", shard["family"]["family_id"], where)
        self.families.append(shard["family"])
        for facts in shard["assets"]:
            self._asset(facts, where)

    def _asset(self, facts: dict[str, Any], where: str) -> None:
        self._once("asset", facts["asset_id"], where)
        if len(self._seen) > MAX_ASSETS:
            raise LimitError(f"more than {MAX_ASSETS} families and assets", where=self._tree.where)
        path = facts.pop("feature_path")
        if not path or self._tree.size(path) is None:
            self.notices.append(f"the features of {facts['asset_id']} are not there; the Kit passes over it, too")
            return
        bundle = _BUNDLE(self.json(path), f"{self._tree.where}, {path}", "")
        asset = Asset(facts, len(self.families) - 1, bundle["mfi"], bundle["tfv"], bundle["signals"])
        named = next((a for a in bundle["artifact_refs"] if a["type"] == DEEP), None)
        if named is not None:
            asset = replace(asset, deep_path=named["path"], deep_checksum=named["checksum"])
        self.assets.append(asset)

    def _once(self, what: str, name: str, where: str) -> None:
        if f"{what} {name}" in self._seen:
            raise MalformedError(
                f"the {what} {name[:200]!r} is listed a second time", where=where, hint="Nothing was imported"
            )
        self._seen.add(f"{what} {name}")
