"""The mapping that a new tenant starts with, from a file of the same shape as the RPC's ServiceMapping.

Above: `app` seeds before the cache's first load. Below: `store` and the contract's validation.
"""

from __future__ import annotations

from pathlib import Path

import orjson
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

from mcp_adapter_service.service_mapping.validation import check_mapping
from service_kit.contract.validation import read_document


class SeedUnusable(Exception):
    """The seed file cannot be used; the message says where and why."""


def read_seed(file: Path) -> list[pb.ServiceMapping]:
    """Read and check `{"services": [ServiceMapping, …]}`.

    Raises:
        SeedUnusable: it cannot be read, or breaks the contract.
    """
    try:
        document = orjson.loads(file.read_bytes())
    except OSError as problem:
        raise SeedUnusable(f"cannot read {file} ({problem.strerror}); set SWITCHBOARD_SERVICES_FILE") from None
    except ValueError:
        raise SeedUnusable(f"{file} is not JSON; repair it") from None
    entries = document.get("services") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise SeedUnusable(f"{file} has no list `services`; repair it")
    mappings = []
    for index, entry in enumerate(entries):
        mapping = pb.ServiceMapping()
        path = f"services[{index}]"
        if not isinstance(entry, dict):
            raise SeedUnusable(f"{file}: {path} is not an object; repair it")
        problems = read_document(entry, mapping, path) or check_mapping(mapping, path)
        if problems:
            raise SeedUnusable(f"{file}: {problems[0].path}: {problems[0].message}")
        mappings.append(mapping)
    return mappings
