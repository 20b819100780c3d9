"""Clients in other languages, generated from the contract as docs/clients.md says and built with the languages' own tools.

Above: tests that take `go_programs` or `typescript_program` and say `@pytest.mark.needs("go")` or `needs("node", "npm")`.
Below: buf with the plugins of `buf.gen.yaml`, local ones in the place of the registry's; Go and npm, with pinned versions.

Everything is built in a folder of the virtual environment and kept: the first run fetches modules, later ones take seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.contract_gen import ROOT

BUF = Path(sys.executable).parent / "buf"
CACHE = Path(sys.prefix) / "generated-clients"
SOURCES = Path(__file__).parent / "contract"
_BUILD_SECONDS = 600
# What stands for the registry's plugins here; grpc-gateway is what these tests add to the template. gRPC for Python is no
# program of its own: it is a part of grpcio-tools' protoc, which buf does not ask for it.
_PROTOC = [sys.executable, "-m", "grpc_tools.protoc"]
_LOCAL_PLUGINS: dict[str, dict[str, Any]] = {
    "buf.build/protocolbuffers/python": {"protoc_builtin": "python", "protoc_path": _PROTOC},
    "buf.build/protocolbuffers/pyi": {"protoc_builtin": "pyi", "protoc_path": _PROTOC},
    "buf.build/protocolbuffers/go": {"local": "protoc-gen-go"},
    "buf.build/grpc/go": {"local": "protoc-gen-go-grpc"},
    "buf.build/bufbuild/es": {"local": "protoc-gen-es"},
}
GATEWAY_PLUGIN = {"local": "protoc-gen-grpc-gateway", "opt": "paths=source_relative", "out": "clients/go"}


@pytest.fixture(scope="session")
def go_programs() -> dict[str, Path]:
    """The programs in `contract/go_clients` by name, built on freshly generated Go code."""
    module = CACHE / "go"
    module.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCES / "go_clients", module, dirs_exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    programs, plugins = module / "bin", module / "plugins"
    run(["go", "build", "-o", f"{plugins}/", "tool"], module, environment)
    shutil.rmtree(module / "switchboard", ignore_errors=True)
    generate("clients/go", module, plugins, extra=[GATEWAY_PLUGIN])
    run(["go", "build", "-o", f"{programs}/", "./..."], module, environment)
    return {path.parent.name: programs / path.parent.name for path in (SOURCES / "go_clients").glob("*/main.go")}


@pytest.fixture(scope="session")
def typescript_program() -> Path:
    """The program in `contract/typescript_client`, compiled with freshly generated types."""
    package = CACHE / "typescript"
    shutil.copytree(SOURCES / "typescript_client", package, dirs_exist_ok=True)
    lock, installed = package / "package-lock.json", package / "node_modules" / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        run(["npm", "ci", "--no-audit", "--no-fund"], package, os.environ)
        shutil.copy(lock, installed)
    shutil.rmtree(package / "clients", ignore_errors=True)
    generate("clients/typescript", package / "clients", package / "node_modules" / ".bin")
    run(["node_modules/.bin/tsc"], package, os.environ)
    return package / "dist" / "book.js"


def generate(out: str, into: Path, plugins: Path, *, extra: Sequence[Mapping[str, Any]] = ()) -> None:
    """Run `buf generate` with those plugins of `buf.gen.yaml` that write to `out`, installed in `plugins`."""
    template = yaml.safe_load((ROOT / "buf.gen.yaml").read_text(encoding="utf-8"))
    chosen = [plugin for plugin in template["plugins"] if plugin["out"] == out and plugin["remote"] in _LOCAL_PLUGINS]
    local = [{**_LOCAL_PLUGINS[plugin.pop("remote")], **plugin} for plugin in chosen]
    template["plugins"] = [{**plugin, "out": str(into)} for plugin in (*local, *extra)]
    environment = {**os.environ, "PATH": f"{plugins}{os.pathsep}{os.environ['PATH']}"}
    run([str(BUF), "generate", "--template", json.dumps(template)], ROOT, environment)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a build step and return what it printed; its complaints are the error's."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
