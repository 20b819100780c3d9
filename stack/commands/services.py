"""`switchboard services`: what can be booked and what the vendor calls it; list, change, see who changed it."""

from __future__ import annotations

import argparse
import getpass
import json
from pathlib import Path
from typing import Any

from stack.adapter_channel import SECONDS, adapter_channel, answered, columns
from stack.errors import StackError
from stack.settings import load_stack_settings
from stack.tenant import tenant_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print whole mappings, with the vendor's identifiers, as JSON")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--put", metavar="FILE", type=Path, help="create or replace mappings: a JSON object, or a list of them, as --json prints"
    )
    what.add_argument("--history", action="store_true", help="who changed what, newest first")
    parser.add_argument("--tenant", help="whose services (default: the tenant of SWITCHBOARD_TENANT_FILE)")


def run(options: argparse.Namespace) -> int:
    """List, change, or show the history."""
    # Loaded only here: generated code is much to load for every other command.
    from switchboard.adapter.v1 import service_mapping_service_pb2_grpc

    tenant = options.tenant or tenant_id(load_stack_settings().tenant_file)
    with adapter_channel() as channel:
        stub = service_mapping_service_pb2_grpc.ServiceMappingServiceStub(channel)
        if options.put:
            _put(stub, tenant, options.put)
        elif options.history:
            _history(stub, tenant)
        else:
            _list(stub, tenant, as_json=options.json)
    return 0


def _list(stub: Any, tenant: str, *, as_json: bool) -> None:
    from google.protobuf.json_format import MessageToDict
    from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

    request = pb.ListServiceMappingsRequest(tenant=tenant, include_vendor=as_json, include_inactive=True)
    mappings = answered(lambda: stub.ListServiceMappings(request, timeout=SECONDS)).mappings
    if as_json:
        print(json.dumps([MessageToDict(mapping) for mapping in mappings], indent=2, ensure_ascii=False))
        return
    rows = [("service", "name", "minutes", "price from", "server", "bookable", "version")]
    for mapping in mappings:
        price = f"{mapping.price_from_cents / 100:.2f} {mapping.currency}" if mapping.price_from_cents else "-"
        bookable = "yes" if mapping.active else "no"
        rows.append(
            (
                mapping.service_id,
                mapping.name,
                str(mapping.duration_minutes),
                price,
                mapping.server,
                bookable,
                str(mapping.version),
            )
        )
    print("\n".join(columns(rows)))


def _put(stub: Any, tenant: str, file: Path) -> None:
    from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

    for document in _documents(file):
        mapping = _mapping(document, file)
        # The version that the file was read at guards against overwriting somebody else's change.
        request = pb.PutServiceMappingRequest(
            tenant=tenant, mapping=mapping, expected_version=mapping.version, actor=f"cli:{getpass.getuser()}"
        )
        stored = answered(lambda request=request: stub.PutServiceMapping(request, timeout=SECONDS)).mapping  # type: ignore[misc]
        print(f"{stored.service_id} is at version {stored.version}")


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise StackError(f"cannot read {file} ({problem.strerror})") from None
    except ValueError:
        raise StackError(f"{file} is not JSON") from None
    return document if isinstance(document, list) else [document]


def _mapping(document: Any, file: Path) -> Any:
    from google.protobuf.json_format import ParseDict, ParseError
    from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

    try:
        return ParseDict(document, pb.ServiceMapping())
    except ParseError as problem:
        raise StackError(f"{file} does not hold a service mapping: {problem}") from None


def _history(stub: Any, tenant: str) -> None:
    from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

    request = pb.ListServiceMappingChangesRequest(tenant=tenant)
    changes = answered(lambda: stub.ListServiceMappingChanges(request, timeout=SECONDS)).changes
    rows = [("when", "who", "service", "version", "changed")]
    for change in changes:
        when = change.at.ToJsonString()[:19].replace("T", " ")
        rows.append((when, change.actor, change.service_id, str(change.version), ", ".join(change.changed_fields)))
    print("\n".join(columns(rows)))
