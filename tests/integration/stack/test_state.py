"""The state directory: completed when half-made, refused when it is somebody else's, private, used by one at a time."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from service_kit.keys import Keyring
from stack.development_identity import ensure_development_identity, load_development_identity
from stack.errors import StackError
from stack.keys import ensure_service_keys, ensure_tool_token
from stack.state import RunFacts, StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "state")
    directory.prepare()
    return directory


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "a" / "b")
    assert not state.exists
    state.prepare()
    assert state.exists
    assert _mode(state.keys) == 0o700


def test_a_half_made_directory_is_completed(state: StateDirectory) -> None:
    state.logs.rmdir()
    state.keys.rmdir()
    state.prepare()
    assert state.logs.is_dir()
    assert state.keys.is_dir()


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StackError, match=r"holds other files .* set SWITCHBOARD_STATE to a new or empty one"):
        StateDirectory(tmp_path).prepare()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StackError, match="set SWITCHBOARD_STATE to a directory you can write to"):
        StateDirectory(tmp_path / "state").prepare()


def test_a_directory_of_another_version_is_refused(state: StateDirectory) -> None:
    (state.root / "switchboard.json").write_text(json.dumps({"layout": 99}))
    with pytest.raises(StackError, match="made by another version"):
        state.prepare()


def test_a_second_user_is_told_who_has_the_directory(state: StateDirectory, tmp_path: Path) -> None:
    with state.lock():
        state.record(RunFacts(pid=4242, front_door="http://127.0.0.1:9", run_directory=tmp_path, postgres_sockets=None))
        assert state.in_use
        with pytest.raises(StackError, match=r"already runs on .* \(process 4242, http://127.0.0.1:9\)"):
            state.lock()
    assert not state.in_use


def test_what_a_killed_run_left_is_removed_by_the_next(state: StateDirectory) -> None:
    left = state.new_run_directory()
    state.record(RunFacts(pid=1, front_door="-", run_directory=left, postgres_sockets=None))
    new = state.new_run_directory()
    assert not left.exists()
    assert _mode(new) == 0o700
    new.rmdir()


def test_a_run_directory_is_short_enough_for_socket_names(
    state: StateDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    folder = state.new_run_directory()
    assert len(str(folder / "mcp_adapter_service-32.sock")) < 108
    folder.rmdir()


def test_secrets_are_made_once_and_only_their_owner_can_read_them(state: StateDirectory) -> None:
    keys, token = ensure_service_keys(state), ensure_tool_token(state)
    identity = ensure_development_identity(state)
    text = keys.read_text()
    assert (ensure_service_keys(state).read_text(), ensure_tool_token(state)) == (text, token)
    again = load_development_identity(state)
    assert (again.people.jwks, again.services.jwks) == (identity.people.jwks, identity.services.jwks)
    assert {_mode(file) for file in state.keys.iterdir()} == {0o600}


def test_the_services_can_read_their_keys_and_no_two_are_alike(state: StateDirectory) -> None:
    path = ensure_service_keys(state)
    assert Keyring.from_file(path).verify("slot", Keyring.from_file(path).sign("slot", b"x")) == b"x"
    keys = json.loads(path.read_text())
    assert sorted(keys) == ["cursor", "hmac", "seal", "slot"]
    assert len({entry["key"] for entry in keys.values()}) == 4


def test_keys_that_are_gone_while_there_is_a_database_are_not_replaced(state: StateDirectory) -> None:
    ensure_service_keys(state).unlink()
    state.postgres.mkdir()
    with pytest.raises(StackError, match=r"keys.json is missing although there is a database; restore it"):
        ensure_service_keys(state)


def test_damaged_keys_are_refused(state: StateDirectory) -> None:
    path = ensure_service_keys(state)
    path.write_text(path.read_text()[:40])
    with pytest.raises(StackError, match=r"keys.json is damaged; restore it"):
        ensure_service_keys(state)


def test_a_stack_that_never_ran_signs_no_token(state: StateDirectory) -> None:
    with pytest.raises(StackError, match="run `make run` first"):
        load_development_identity(state)
