"""What else lies beside the weights: code, pickles, chat templates, settings, papers.  Context, never evidence.

Nothing here is run, imported or followed out of the folder, and nothing here decides a finding or a verdict: a card
may say anything, and a template may be copied.  Standard library only.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint import gguf
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.hash_check import digest_files, readable
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK, open_entry
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MpkError, StorageError
from mpk_tui.progress import CancelToken, Report, silent

TEXT_LIMIT = 256 << 10
"""Texts up to this many bytes are kept for a diff."""
TEXT_BUDGET = 32 << 20
"""Bytes of text that are kept of one folder."""
JSON_LIMIT = 4 << 20
LARGE = 64 << 20
"""An unknown file from here on is pointed out."""
SETTINGS = "generation_config.json"

_WEIGHTS = (".safetensors", ".gguf", ".npz", ".onnx", ".onnx_data")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".dill", ".mar", ".nemo", ".msgpack")
_NATIVE = (".so", ".dll", ".dylib", ".exe", ".pyd", ".pyc", ".pyo", ".jar", ".class", ".wasm", ".h5", ".keras", ".pb",
           ".engine", ".plan", ".llamafile")  # fmt: skip
_SCRIPTS = (".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".js", ".mjs", ".ts", ".pl", ".rb", ".lua", ".c", ".cc",
            ".cpp", ".cu", ".h", ".go", ".rs")  # fmt: skip
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl")
_TOKENIZER = frozenset(
    {"tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json",
     "added_tokens.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
)  # fmt: skip
_PREPROCESSOR = frozenset(
    {"preprocessor_config.json", "processor_config.json", "image_processor_config.json",
     "video_preprocessor_config.json", "feature_extractor_config.json"}
)  # fmt: skip
_MAGIC = (
    (b"\x7fELF", "native"), (b"MZ", "native"), (b"\xcf\xfa\xed\xfe", "native"), (b"\x89HDF", "native"),
    (b"#!", "script"), (b"PK\x03\x04", "archive"), (b"\x1f\x8b", "archive"), (b"7z\xbc\xaf", "archive"),
)  # fmt: skip
EXECUTABLE = frozenset({"code", "pickle", "native", "script", "notebook"})
"""Kinds that run something when they are loaded the way they are meant to be."""


@dataclass(frozen=True)
class SideFile:
    """A directory entry, classified.

    Attributes:
        path: Relative to the root.
        kind: ``weights``, ``code``, ``pickle``, ``native``, ``script``, ``notebook``, ``archive``, ``chat-template``,
            ``generation``, ``tokenizer``, ``preprocessor``, ``config``, ``licence``, ``card``, ``text``, ``hidden``,
            ``large-unknown``, ``unknown``, ``link``, ``folder`` or ``special``.
        size: Bytes.
        sha256: Hex, or empty where there is nothing to read or it was not asked for.
        note: What is odd about it, or empty.
        text: Content, for a text of at most `TEXT_LIMIT` bytes; else None.
    """

    path: str
    kind: str
    size: int
    sha256: str
    note: str = ""
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Reference:
    """Code that a configuration names in ``auto_map``: loaded by whoever trusts remote code.

    Attributes:
        source: File that names it.
        task: Key, e.g. ``AutoModelForCausalLM``.
        target: Value as it stands, e.g. ``modeling_x.Model`` or ``owner/repo--modeling_x.Model``.
        repository: Of a remote reference, or empty.
        file: File that it names.
        present: That file lies in this folder; a remote one is never looked for.
    """

    source: str
    task: str
    target: str
    repository: str
    file: str
    present: bool


@dataclass(frozen=True)
class Template:
    """A chat template: where it is stored, under which name, and its text."""

    source: str
    name: str
    sha256: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Survey:
    """Everything that lies in a folder.

    Attributes:
        files: Sorted by path.
        references: What ``auto_map`` entries name.
        templates: Chat templates, wherever they are stored.
        settings: ``generation_config.json`` as data, empty if there is none.
        claims: ``(file, field, value)`` of the card's front matter: what somebody wrote, nothing more.
        notices: What could not be read, as sentences.
    """

    files: tuple[SideFile, ...]
    references: tuple[Reference, ...]
    templates: tuple[Template, ...]
    settings: Mapping[str, Any]
    claims: tuple[tuple[str, str, str], ...]
    notices: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """Plain data without the texts of files."""
        return {
            "files": [{k: v for k, v in asdict(f).items() if k != "text"} for f in self.files],
            "references": [asdict(r) for r in self.references],
            "templates": [asdict(t) for t in self.templates],
            "generation": dict(self.settings),
            "claims": [{"file": f, "field": k, "value": v} for f, k, v in self.claims],
            "notices": list(self.notices),
        }


def list_path(path: Path, cancel: CancelToken | None = None) -> tuple[Path, tuple[FileEntry, ...]]:
    """Root and listing of a folder, or of one file as if it lay alone.

    Raises:
        StorageError: There is nothing to read.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    if stat.S_ISDIR(facts.st_mode):
        return path, list_folder(path, cancel)
    if not stat.S_ISREG(facts.st_mode):
        raise StorageError("is neither a folder nor a regular file", where=str(path))
    if path.is_symlink():
        # The user named the link; it stands for its target, as in opening a checkpoint.
        return path.parent, (FileEntry(path.name, "symlink", facts.st_size, str(path.readlink()), CACHE_LINK),)
    return path.parent, (FileEntry(path.name, "file", facts.st_size),)


def without(files: Sequence[FileEntry], root: Path, own: Sequence[Path]) -> tuple[FileEntry, ...]:
    """A listing without files of ours that lie in the same folder, e.g. the hash list itself."""
    base = os.path.realpath(root)
    names = {os.path.relpath(os.path.realpath(path), base) for path in own}
    return tuple(e for e in files if e.path not in names)


def survey(
    files: Sequence[FileEntry],
    root: Path,
    cancel: CancelToken | None = None,
    report: Report = silent,
    *,
    weights: bool = False,
) -> Survey:
    """Classify, hash and read what lies beside the weights.

    Args:
        files: From `mpk_tui.checkpoint.folder.list_folder`.
        root: The folder they were listed in.
        cancel: Polled while files are hashed.
        report: Progress in bytes.
        weights: Hash weight files too; they are large, and a fingerprint holds their hashes anyway.

    Raises:
        StorageError: A file cannot be read or changed meanwhile.
        CancelledError: Stopped on request.
    """
    cancel = cancel or CancelToken()
    notices: list[str] = []
    kinds: dict[str, str] = {}
    for e in files:
        cancel.check()
        kinds[e.path] = _kind(e, root, notices)
    digests = digest_files([e for e in files if weights or kinds[e.path] != "weights"], root, (), cancel, report)
    texts: dict[str, str | None] = {}
    left = TEXT_BUDGET
    for e in files:
        wanted = e.path in digests and kinds[e.path] != "weights" and e.size <= min(TEXT_LIMIT, left)
        texts[e.path] = _text(e, root) if wanted else None
        left -= e.size if wanted else 0
    listed = tuple(
        SideFile(
            e.path, kinds[e.path], e.size, digests[e.path].digests["sha256"] if e.path in digests else "",
            _note(e, kinds[e.path]), texts[e.path],
        )
        for e in files
    )  # fmt: skip
    data = {e.path: _json(e, root, notices) for e in files if _is_settings(e)}
    templates = _templates(files, root, texts, data, notices)
    claims = tuple(c for e in files if kinds[e.path] == "card" for c in card_claims(e.path, texts[e.path] or ""))
    settings = _plain(data.get(SETTINGS, {}))
    return Survey(listed, _references(data, {e.path for e in files}), templates, settings, claims, tuple(notices))


def _kind(entry: FileEntry, root: Path, notices: list[str]) -> str:
    if entry.kind == "dir":
        return "folder"
    if entry.kind == "other":
        return "special"
    if not readable(entry):
        return "link"
    name = entry.path.rsplit("/", 1)[-1]
    lower = name.lower()
    named = _by_name(lower)
    if named in ("weights", "code", "pickle", "native", "notebook"):
        return named
    try:
        with open_entry(root, entry) as source:
            head = source.read(0, min(8, source.size))
    except MpkError as error:
        notices.append(f"not looked into: {error.diagnosis()}")
        return named or "unknown"
    begun = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    if begun in ("native", "script") and named not in ("script",):
        return begun  # what it is weighs more than what it is called
    if len(head) > 1 and head[0] == 0x80 and head[1] in range(2, 6):
        return "pickle"
    if name.startswith(".") or "/." in f"/{entry.path}":
        return "hidden"
    if named or begun:
        return named or begun
    return "large-unknown" if entry.size >= LARGE else "unknown"


def _by_name(name: str) -> str:
    stem = name.rsplit(".", 1)[0]
    if name in ("chat_template.jinja", "chat_template.json") or name.endswith((".jinja", ".jinja2")):
        return "chat-template"
    if name == SETTINGS:
        return "generation"
    if name in _TOKENIZER or name.endswith(".tiktoken"):
        return "tokenizer"
    if name in _PREPROCESSOR:
        return "preprocessor"
    if stem.startswith(("readme", "model_card", "modelcard")):
        return "card"
    if stem.startswith(("license", "licence", "copying", "notice", "use_policy")) or name.startswith("license"):
        return "licence"
    for kind, ends in (
        ("weights", _WEIGHTS), ("code", (".py", ".pyi", ".pyx")), ("notebook", (".ipynb",)), ("pickle", _PICKLES),
        ("native", _NATIVE), ("script", _SCRIPTS), ("archive", _ARCHIVES),
        ("config", (".json", ".yaml", ".yml", ".toml", ".cfg", ".ini")), ("text", (".txt", ".md", ".csv", ".rst")),
    ):  # fmt: skip
        if name.endswith(ends):
            return kind
    return ""


def _note(entry: FileEntry, kind: str) -> str:
    if kind == "link":
        return f"link to {entry.link}, {entry.link_class}; not followed"
    if kind == "special":
        return "FIFO, device or socket; not opened"
    if kind == "pickle":
        return "may run code when loaded; never unpickled here"
    if kind in EXECUTABLE:
        return "executable; never run here"
    return ""


def _text(entry: FileEntry, root: Path) -> str | None:
    with open_entry(root, entry) as source:
        data = source.read(0, entry.size)
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_settings(entry: FileEntry) -> bool:
    """Small JSON files that may hold ``auto_map``, templates or settings; the whole tokenizer is none."""
    name = entry.path.rsplit("/", 1)[-1].lower()
    if not readable(entry) or entry.size > JSON_LIMIT or not name.endswith(".json"):
        return False
    return name in _PREPROCESSOR or name.endswith("config.json") or name == "chat_template.json"


def _json(entry: FileEntry, root: Path, notices: list[str]) -> dict[str, Any]:
    try:
        with open_entry(root, entry) as source:
            found = parse(source.read(0, entry.size), entry.path)
    except MpkError as error:
        notices.append(f"not read: {error.diagnosis()}")
        return {}
    if isinstance(found, dict):
        return found
    notices.append(f"not read: {entry.path}: is JSON, but no object")
    return {}


def _references(data: Mapping[str, Mapping[str, Any]], present: set[str]) -> tuple[Reference, ...]:
    found = []
    for source, settings in sorted(data.items()):
        table = settings.get("auto_map")
        if not isinstance(table, dict):
            continue
        for task, value in sorted(table.items()):
            for target in value if isinstance(value, list) else [value]:
                if not isinstance(target, str):
                    continue
                repository, mark, rest = target.partition("--")
                if not mark:
                    repository, rest = "", target
                file = rest.rsplit(".", 1)[0].replace(".", "/") + ".py"
                folder = source.rsplit("/", 1)[0] + "/" if "/" in source else ""
                here = not repository and folder + file in present
                found.append(Reference(source, task, target, repository, file, here))
    return tuple(found)


def _templates(
    files: Sequence[FileEntry],
    root: Path,
    texts: Mapping[str, str | None],
    data: Mapping[str, Mapping[str, Any]],
    notices: list[str],
) -> tuple[Template, ...]:
    found = []
    for entry in files:
        path = entry.path
        if path.lower().endswith((".jinja", ".jinja2")) and readable(entry):
            text = texts.get(path)
            if text is None:
                notices.append(f"{path}: no text of at most {TEXT_LIMIT} bytes; hashed, not read as a template")
            else:
                found.append(_template(path, Path(path).stem, text))
        elif path in data:
            found += _stored(path, data[path].get("chat_template"), "default")
        elif path.lower().endswith(".gguf") and readable(entry):
            try:
                with open_entry(root, entry) as source:
                    header = gguf.read_header(source, path, partial=True)
            except MpkError as error:
                notices.append(f"metadata not read: {error.diagnosis()}")
                continue
            for key, value in sorted(header.metadata.items()):
                if key == "tokenizer.chat_template" or key.startswith("tokenizer.chat_template."):
                    found += _stored(path, value, key.removeprefix("tokenizer.chat_template").strip(".") or "default")
    return tuple(found)


def _stored(source: str, value: Any, name: str) -> list[Template]:
    """A template as text, as a list of named ones, or as a mapping of names."""
    if isinstance(value, str):
        return [_template(source, name, value)]
    if isinstance(value, dict):
        return [_template(source, str(k), v) for k, v in value.items() if isinstance(v, str)]
    if isinstance(value, list):
        return [
            _template(source, str(item.get("name", name)), item["template"])
            for item in value
            if isinstance(item, dict) and isinstance(item.get("template"), str)
        ]
    return []


def _template(source: str, name: str, text: str) -> Template:
    return Template(source, name, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), text)


_FIELD = re.compile(r"(base_model|base_model_relation|license|license_name|license_link|datasets)\s*:\s*(.*)\Z")


def card_claims(path: str, text: str) -> tuple[tuple[str, str, str], ...]:
    """Fields of a card's front matter that speak of origin, as written: scalars and plain lists.

    This is no YAML reader; what it does not understand it leaves out.
    """
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    if lines[0].strip() != "---":
        return ()
    found: list[tuple[str, str, str]] = []
    current = ""
    for line in lines[1:2000]:
        if line.strip() in ("---", "..."):
            return tuple(found)
        if match := _FIELD.match(line):
            current, value = match[1], match[2].strip()
            if value.startswith("[") and value.endswith("]"):
                found += [(path, current, v) for v in map(_scalar, value[1:-1].split(",")) if v]
            elif _scalar(value):
                found.append((path, current, _scalar(value)))
        elif current and line.lstrip().startswith("- "):
            found.append((path, current, _scalar(line.lstrip()[2:])))
        elif line[:1] not in (" ", "\t", "#", ""):
            current = ""
    return ()  # the front matter never ends: it is none


def _scalar(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return (text[1:-1] if quoted else text.split(" #")[0].strip())[:1000]


def _plain(value: Any) -> Any:
    """A setting that every JSON writer can hold: numbers beyond floating point become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value
