"""The state directory: what one stack keeps between runs, who may use it now, and where its sockets are.

Above: every command of `switchboard`. Below: files.

    <state>/switchboard.json   says that the directory is ours, and its layout's version
    <state>/lock               held by the supervisor for as long as it lives
    <state>/run.json           facts of the running stack: pid, front door, sockets
    <state>/keys/              secrets, mode 0600 (see stack.keys and stack.development_identity)
    <state>/tls/               certificates of this run's processes (see stack.certificates)
    <state>/postgres/          the embedded database (see stack.cluster)
    <state>/logs/<name>.log    what each process wrote
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stack.errors import StackError

LAYOUT = 1
_MARKER = "switchboard.json"
_RUN_PREFIX = "swb-"
# A unix socket's path has 108 bytes with its final zero; this leaves room for the longest socket name in the directory.
_LONGEST_RUN_DIRECTORY = 70


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write `text` to `path` so that a reader sees the old file or the new one, and a crash leaves no half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What other commands need to know of a running stack. Nothing in here is secret."""

    pid: int
    front_door: str
    run_directory: Path
    postgres_sockets: Path | None

    @property
    def control_socket(self) -> Path:
        """Where the supervisor takes commands."""
        return self.run_directory / "control.sock"

    def to_json(self) -> str:
        """The text of run.json."""
        return json.dumps(
            {
                "pid": self.pid,
                "frontDoor": self.front_door,
                "runDirectory": str(self.run_directory),
                "postgresSockets": str(self.postgres_sockets) if self.postgres_sockets else None,
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> RunFacts:
        """Read run.json's text."""
        facts: dict[str, Any] = json.loads(text)
        sockets = facts["postgresSockets"]
        return cls(
            pid=facts["pid"],
            front_door=facts["frontDoor"],
            run_directory=Path(facts["runDirectory"]),
            postgres_sockets=Path(sockets) if sockets else None,
        )


class StateDirectory:
    """One state directory. Making this object touches nothing; `prepare` does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keys = root / "keys"
        self.tls = root / "tls"
        self.logs = root / "logs"
        self.postgres = root / "postgres"
        self.envoy_config = root / "envoy.json"

    @property
    def exists(self) -> bool:
        """Whether this is a directory that `prepare` made."""
        return (self.root / _MARKER).is_file()

    def prepare(self) -> None:
        """Make the directory or complete a half-made one; refuse one that is somebody else's."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not self.exists:
                if any(entry.name != "lock" for entry in self.root.iterdir()):
                    raise StackError(
                        f"{self.root} holds other files and is not a Switchboard state directory; "
                        "set SWITCHBOARD_STATE to a new or empty one",
                    )
                write_atomically(self.root / _MARKER, json.dumps({"layout": LAYOUT}))
            self._require_layout()
            for folder in (self.keys, self.logs):
                folder.mkdir(exist_ok=True)
                folder.chmod(stat.S_IRWXU)
        except OSError as problem:
            raise StackError(
                f"cannot use the state directory {self.root} ({problem.strerror}); "
                "set SWITCHBOARD_STATE to a directory you can write to",
            ) from None

    def _require_layout(self) -> None:
        try:
            layout = json.loads((self.root / _MARKER).read_text(encoding="utf-8"))["layout"]
        except (ValueError, KeyError, TypeError):
            layout = None
        if layout != LAYOUT:
            raise StackError(
                f"{self.root} was made by another version of Switchboard; "
                "set SWITCHBOARD_STATE to a new directory, or remove this one to start afresh",
            )

    def lock(self) -> StateLock:
        """Take the directory for this process, or raise StackError saying who has it."""
        lock = StateLock(self.root / "lock")
        if not lock.acquire():
            facts = self.run_facts()
            who = f" (process {facts.pid}, {facts.front_door})" if facts else ""
            raise StackError(
                f"Switchboard already runs on {self.root}{who}; stop it with `switchboard stop`, "
                "or set SWITCHBOARD_STATE and SWITCHBOARD_HTTP_PORT to run a second one",
            )
        return lock

    @property
    def in_use(self) -> bool:
        """Whether a supervisor holds the directory now."""
        if not self.exists:
            return False
        lock = StateLock(self.root / "lock")
        if lock.acquire():
            lock.release()
            return False
        return True

    def wait_until_free(self, seconds: float) -> bool:
        """Wait for the supervisor to let go of the directory; False when it still has it after `seconds`."""
        deadline = time.monotonic() + seconds
        while self.in_use:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def run_facts(self) -> RunFacts | None:
        """The facts of the running stack, or None when there are none to read."""
        try:
            return RunFacts.from_json((self.root / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError):
            return None

    def record(self, facts: RunFacts) -> None:
        """Write down the facts of this run."""
        write_atomically(self.root / "run.json", facts.to_json())

    def new_run_directory(self) -> Path:
        """Make this run's directory for sockets, after removing what a killed run left. Call with the lock held."""
        self.forget_run()
        parent = tempfile.gettempdir()
        if len(os.fsencode(parent)) + len(_RUN_PREFIX) + 9 > _LONGEST_RUN_DIRECTORY:
            parent = "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it
        return Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=parent))

    def forget_run(self) -> None:
        """Remove run.json and the directory that it names."""
        facts = self.run_facts()
        if facts and facts.run_directory.name.startswith(_RUN_PREFIX):
            shutil.rmtree(facts.run_directory, ignore_errors=True)
        (self.root / "run.json").unlink(missing_ok=True)


class StateLock:
    """An advisory lock on a file. The kernel drops it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back. Releasing twice does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()
