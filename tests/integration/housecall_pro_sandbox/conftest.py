"""What these tests have in common: an HTTP client that is logged in at the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.fix_sandbox import SandboxAddress


@pytest.fixture
def vendor(sandbox: SandboxAddress) -> Iterator[httpx.Client]:
    """A client of the freshly reset sandbox."""
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers, timeout=10) as client:
        yield client
