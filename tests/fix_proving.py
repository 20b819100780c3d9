"""The proving server and its contract: a tool of every level, effect and scope that tests may call, break and count.

Above: tests of policy, authorizations, exactly-once and typed tools. Below: `tests/proving` and `fix_tool_server`.

    proving_contract   the folder for PYTHONPATH of every process that is to know the server `proving` (built once per run)
    proving_messages   the contract in this process, and its messages; undone after the test's module
    proving            the running server, as new for every test; `proving.environment` is for dispatch and adapter
    proving_adapter    an adapter process that knows the server, shared by the tests of one module
    proving_dispatch   a dispatch process in front of that adapter, on a database of the test's own
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mcp_adapter_service.service_mapping import OWNER as ADAPTER
from tests.fix_dispatch import OWNER as DISPATCH
from tests.fix_dispatch import ROOT, DispatchProcess
from tests.fix_postgres import MigratedDatabase
from tests.fix_tool_server import TOKEN, ToolServerProcess
from tests.integration.adapter.processes import AdapterProcess
from tests.proving import contract
from tests.proving.store import Effect, Received, Store, Thing


class ProvingServer(ToolServerProcess):
    """The proving server: started, stopped, killed, called, told what to do and asked what it did."""

    def __init__(self, python_root: Path, folder: Path) -> None:
        self._store = Store(folder / "proving.sqlite")
        self._store.create()
        self._root = python_root
        self._policies = _policies(folder / "policies")
        super().__init__(
            "tests.proving.server",
            {"SWITCHBOARD_PROVING_STORE": str(folder / "proving.sqlite"), "PYTHONPATH": on_python_path(python_root)},
        )

    @property
    def environment(self) -> dict[str, str]:
        """What dispatch and adapter need in their environment to know the server and its tools."""
        return {
            "PYTHONPATH": on_python_path(self._root),
            "SWITCHBOARD_MCP__PROVING__URL": f"{self.base_url}/mcp",
            "SWITCHBOARD_MCP__PROVING__TOKEN": TOKEN,
            "SWITCHBOARD_POLICY_DIRECTORY": str(self._policies),
        }

    def effects(self, *, tool: str | None = None, key: str | None = None) -> list[Effect]:
        """Every effect that was had, in order; `tool` is a short name such as `note`, `key` is the adapter's."""
        return self._store.effects(tool=tool, key=key)

    def calls(self, *, tool: str | None = None) -> list[Received]:
        """Every call that reached a tool, dry runs and failures included."""
        return self._store.calls(tool=tool)

    def put(self, thing_id: str, **facts: object) -> None:
        """Make or change a thing: state, amount_cents, related_records, owner, building, resident."""
        self._store.put(Thing(id=thing_id, **facts))  # type: ignore[arg-type]

    def things(self) -> list[Thing]:
        """Every thing, removed ones too."""
        return self._store.things()

    def switch(self, tool: str, kind: str, *, seconds: float = 0.0, times: int = 1) -> None:
        """Let the next `times` calls of `tool` misbehave; `tests/proving/server.py` lists the kinds. Dry runs never do."""
        self._store.switch_on(tool, kind, seconds=seconds, times=times)

    def switches_off(self) -> None:
        """Let everything behave, and calls that are held go on."""
        self._store.switches_off()

    def reset(self) -> None:
        """Forget everything: things, effects, answers, switches."""
        self._store.reset()


def _policies(folder: Path) -> Path:
    """The shipped policies and those of the proving tools, in one directory that a test may change."""
    folder.mkdir()
    for source in (ROOT / "config" / "policies", ROOT / "tests" / "proving" / "policies"):
        for file in source.glob("*.cedar"):
            shutil.copy(file, folder)
    return folder


def on_python_path(root: Path) -> str:
    """PYTHONPATH with `root` on it, before what is there."""
    return os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(scope="session")
def proving_contract() -> Iterator[Path]:
    """The built proving contract: a root for PYTHONPATH."""
    folder = Path(tempfile.mkdtemp(prefix="proving-"))
    yield contract.build(folder / "gen")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def proving_messages(proving_contract: Path) -> Iterator[ModuleType]:
    """The proving contract as part of this process's, and the module with its messages."""
    with contract.importable(proving_contract):
        yield importlib.import_module("switchboard.tools.proving.v1.proving_service_pb2")


@pytest.fixture(scope="module")
def proving_process(proving_contract: Path) -> Iterator[ProvingServer]:
    """A running proving server that the tests of one module share."""
    with tempfile.TemporaryDirectory(prefix="prv-") as folder:
        server = ProvingServer(proving_contract, Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def proving(proving_process: ProvingServer) -> Iterator[ProvingServer]:
    """The module's proving server, as new: running, no effects, no switches, the things that there are at first."""
    proving_process.reset()
    proving_process.start_again()
    yield proving_process
    proving_process.switches_off()


@pytest.fixture(scope="module")
def proving_adapter(proving_process: ProvingServer, module_database: Callable[..., MigratedDatabase]) -> Iterator[AdapterProcess]:
    """A running adapter whose only server is the proving one."""
    with tempfile.TemporaryDirectory(prefix="pra-") as folder:
        adapter = AdapterProcess(Path(folder), module_database(ADAPTER).url(ADAPTER.role), proving_process.environment)
        adapter.start()
        yield adapter
        adapter.stop()


@pytest.fixture
async def proving_dispatch(
    proving: ProvingServer, proving_adapter: AdapterProcess, fresh_database: Callable[..., MigratedDatabase]
) -> AsyncIterator[DispatchProcess]:
    """A running dispatch process that knows the proving contract, in front of the module's adapter."""
    with tempfile.TemporaryDirectory(prefix="prd-") as folder:
        process = DispatchProcess(Path(folder), fresh_database(DISPATCH), proving_adapter.target, proving.environment)
        await process.start()
        yield process
        await process.stop()
