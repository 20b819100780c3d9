"""Builds the proving contract and lets a process find it beside the shipped one.

Above: `tests/fix_proving.py`. Below: protoc, with the image of the shipped contract for what the proving one imports.

The generated folders are namespace packages: one more root on PYTHONPATH (or `sys.path`) with a `switchboard` folder in it makes
`switchboard.tools.proving.v1` importable and the server `proving` part of the contract, in that process only.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpc_tools import protoc

from service_kit.contract import image, tools

_PROTO = Path(__file__).resolve().parent / "proto"
_SERVICE = "switchboard/tools/proving/v1/proving_service.proto"


def build(folder: Path) -> Path:
    """Generate the contract under `folder`, laid out as `gen/` is, and return the root for PYTHONPATH."""
    python = folder / "python"
    python.mkdir(parents=True)
    arguments = [
        "protoc",
        f"-I{_PROTO}",
        f"--descriptor_set_in={image.image_path()}",
        f"--python_out={python}",
        f"--grpc_python_out={python}",
        f"--descriptor_set_out={folder / image.image_path().name}",
        "--include_source_info",
        _SERVICE,
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused the proving contract; its message is above")
    return python


@contextmanager
def importable(root: Path) -> Iterator[None]:
    """Make the contract under `root` part of this process's own contract for a while."""
    sys.path.insert(0, str(root))
    _look_again()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        _look_again()


def _look_again() -> None:
    """What the contract runtime found before has to be found anew."""
    importlib.invalidate_caches()
    for found in (tools.generated_modules, tools.services, tools.tools, tools.tools_by_rpc):
        found.cache_clear()
    image.forget()
