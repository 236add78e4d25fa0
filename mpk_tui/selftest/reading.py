"""Reading and hashing of checkpoints whose digests are known: those of the demonstration, and a small GGUF file."""

from __future__ import annotations

import struct
import tempfile
from functools import partial
from importlib import resources
from pathlib import Path

from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.hashing import Hashes, hash_checkpoint, tensor_root
from mpk_tui.selftest.check import Check, Question, answered, not_run

DEMO = "demo"
# Folder, SHA-256 of model.safetensors (README.md of mpk_tui/demo), root of its tensor tree.
_DEMO = (
    ("base", "1af411fd8403dbc4dc432796cc8492d083dec7823adfe838ee7de4acf2522088",
     "e6c0f242fe29e422f626faa3a278a8fe1c035648860dee9258e9e0e8edfc595c"),
    ("fine-tune", "da9c873ae4b64568b7ffa790c20d9a916f81ceb7bbf0294ca81ed3b48466bd2d",
     "559cc3a032fbf44f9923471ecb1fad3d222d5823ad85d7856aebdf9f49f654a7"),
    ("twin", "c46c1775ce5ec9541ecbdfa7e0262b01e023324c57770984e07931f10f919f30",
     "e2f729e2c4bf187d24744b839f5be85fee57b89c860a06e4a45cdf34b85ea6df"),
)  # fmt: skip
_GGUF = (
    "442acc9d564a704b46f40996faef14ccbc47a92f3d3cef81bcd822ee973ed7a7, "
    "0571cfe42be5c7b95de9afc7c7ba1286fb7a2ef10a9035f8d6b87d21a3bc8387"
)
_GGUF_NAME = "a GGUF file of one tensor: its SHA-256 and the tensor's"


def demo_folder(name: str) -> Path:
    """A checkpoint of the demonstration, as it lies in the package."""
    return Path(str(resources.files("mpk_tui") / DEMO / name))


def checks() -> list[Check]:
    """Digests of the demonstration's weight files, their tensor roots, and of a GGUF file."""
    asked = []
    for name, digest, root in _DEMO:
        asked += [
            Question(f"SHA-256 of {name}/model.safetensors", digest, partial(_file, name)),
            Question(f"tensor root of {name}", root, partial(_root, name)),
        ]
    return [*map(answered, asked), _gguf()]


def _hashes(name: str) -> Hashes:
    return hash_checkpoint(open_checkpoint(demo_folder(name)))


def _file(name: str) -> str:
    return next((f.sha256 or b"").hex() for f in _hashes(name).files if f.path == "model.safetensors")


def _root(name: str) -> str:
    return tensor_root(_hashes(name).tensors).hex()


def gguf_bytes() -> bytes:
    """A GGUF file, version 3, little endian: no metadata, one F32 tensor ``a`` of 2 rows of 4 (gguf.md of ggml)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    head += struct.pack("<Q", 1) + b"a" + struct.pack("<IQQIQ", 2, 4, 2, 0, 0)
    return head + bytes(-len(head) % 32) + struct.pack("<8f", *range(8))


def _gguf() -> Check:
    try:
        folder = tempfile.TemporaryDirectory(prefix="mpk-selftest-")
    except OSError as error:
        return not_run(_GGUF_NAME, f"no temporary folder: {error.strerror}")

    def ask() -> str:
        path = Path(folder.name) / "a.gguf"
        path.write_bytes(gguf_bytes())
        made = hash_checkpoint(open_checkpoint(path))
        digests = [*(f.sha256 or b"" for f in made.files), *(t.sha256 for t in made.tensors)]
        return ", ".join(d.hex() for d in digests)

    with folder:
        return answered(Question(_GGUF_NAME, _GGUF, ask))
