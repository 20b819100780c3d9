"""`switchboard services` and `switchboard tools`, in front of an adapter that answers as told (served by pytest-grpc)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb
from switchboard.adapter.v1 import service_mapping_service_pb2_grpc as pb_grpc

from stack.commands import services, tools
from stack.errors import StackError


class Mappings(pb_grpc.ServiceMappingServiceServicer):
    """One mapping, which a change replaces; a change from an old version is refused."""

    def __init__(self) -> None:
        self.mapping = pb.ServiceMapping(
            service_id="drain-cleaning",
            name="Drain cleaning",
            duration_minutes=60,
            price_from_cents=14900,
            currency="USD",
            server="housecall_pro",
            active=True,
            version=1,
        )
        self.actors: list[str] = []

    def ListServiceMappings(self, request: Any, context: Any) -> Any:
        return pb.ListServiceMappingsResponse(mappings=[self.mapping])

    def PutServiceMapping(self, request: Any, context: Any) -> Any:
        if request.expected_version != self.mapping.version:
            context.abort(grpc.StatusCode.ABORTED, "The service mapping was changed meanwhile.")
        self.mapping.CopyFrom(request.mapping)
        self.mapping.version = request.expected_version + 1
        self.actors.append(request.actor)
        return pb.PutServiceMappingResponse(mapping=self.mapping)

    def ListServiceMappingChanges(self, request: Any, context: Any) -> Any:
        change = pb.ServiceMappingChange(
            service_id="drain-cleaning",
            actor="cli:ada",
            at=Timestamp(seconds=1_800_000_000),
            version=2,
            changed_fields=["summary"],
        )
        return pb.ListServiceMappingChangesResponse(changes=[change])


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return pb_grpc.add_ServiceMappingServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_servicer() -> Mappings:
    return Mappings()


@pytest.fixture(autouse=True)
def the_adapter(grpc_server: Any, grpc_addr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def channel() -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(grpc_addr) as opened:
            yield opened

    monkeypatch.setattr(services, "adapter_channel", channel)


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    services.add_arguments(parser)
    return services.run(parser.parse_args([*arguments, "--tenant", "demo"]))


def test_the_list_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["service", "name", "minutes"]
    assert row.startswith("drain-cleaning  Drain cleaning  60")
    assert "149.00 USD" in row


def test_what_json_prints_can_be_changed_and_put_back_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, grpc_servicer: Mappings
) -> None:
    run("--json")
    [document] = json.loads(capsys.readouterr().out)
    file = tmp_path / "mapping.json"
    file.write_text(json.dumps(document | {"summary": "Clears drains."}))
    assert run("--put", str(file)) == 0
    assert "drain-cleaning is at version 2" in capsys.readouterr().out
    assert grpc_servicer.mapping.summary == "Clears drains."
    assert grpc_servicer.actors[-1].startswith("cli:")
    with pytest.raises(StackError, match="changed meanwhile"):
        run("--put", str(file))


def test_the_history_says_who_changed_what(capsys: pytest.CaptureFixture[str]) -> None:
    run("--history")
    assert "cli:ada" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot read"), ("{", "is not JSON"), ('{"colour": 1}', "does not hold")]
)
def test_a_file_that_holds_no_mapping_is_one_clear_line(tmp_path: Path, content: str | None, complaint: str) -> None:
    file = tmp_path / "mapping.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StackError, match=complaint):
        run("--put", str(file))


def test_the_tools_are_listed_with_their_schemas_without_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    assert tools.run(argparse.Namespace(json=True)) == 0
    listed = {tool["name"]: tool for tool in json.loads(capsys.readouterr().out)}
    booking = listed["housecall_pro.create_booking"]
    assert booking["inputSchema"]["required"] == ["serviceHcpId", "customer", "address"]
    assert booking["description"]
