"""Clients that other languages generate from the contract book a visit through the front door."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from stack.contract_gen import ROOT
from tests.fix_generated_clients import SOURCES, generate, run
from tests.fix_stack import RunningStack


def test_a_python_client_books_through_the_typed_rpc(stack: RunningStack, tmp_path: Path) -> None:
    files = [str(file.relative_to(ROOT / "proto")) for file in (ROOT / "proto").rglob("*.proto") if "adapter" not in file.parts]
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    image = f"--descriptor_set_in={ROOT / 'gen' / 'contract.binpb'}"
    run([sys.executable, "-m", "grpc_tools.protoc", image, *outputs, *files, "buf/validate/validate.proto"], ROOT, os.environ)
    generated_first = {**os.environ, "PYTHONPATH": str(tmp_path)}
    program = SOURCES / "python_client" / "book.py"
    printed = run([sys.executable, str(program), stack.front_door.removeprefix("http://")], tmp_path, generated_first)
    assert printed.startswith("bkg_")


def test_the_template_for_clients_takes_the_contract_with_its_imports(tmp_path: Path) -> None:
    generate("clients/python", tmp_path, tmp_path)
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.py*")}
    assert {
        "switchboard/dispatch/v1/dispatch_service_pb2.py",
        "buf/validate/validate_pb2.py",
        "google/api/http_pb2.pyi",
    } <= written
    assert not [name for name in written if "adapter" in name or name.startswith("google/protobuf")]


@pytest.mark.needs("go")
def test_a_go_client_books_through_the_typed_rpc(stack: RunningStack, go_programs: dict[str, Path]) -> None:
    printed = run([str(go_programs["dispatch"]), stack.front_door.removeprefix("http://")], Path.cwd(), os.environ)
    assert printed.startswith("bkg_")


@pytest.mark.needs("node", "npm")
def test_a_typescript_client_books_with_typed_json(stack: RunningStack, typescript_program: Path) -> None:
    printed = run(["node", str(typescript_program), stack.front_door], Path.cwd(), os.environ)
    assert printed.startswith("bkg_")
