"""Authorizations on a database of the test's own, in this process, in front of a journey that the test scripts.

Above: tests of authorizations. Below: `fix_postgres`, `fix_proving` and `tests/integration/dispatch/authorization_parts.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.dispatch.authorization_parts import Parts, keys_in, put_together, running


@pytest.fixture
async def authorizations(proving_messages: ModuleType, fresh_database: Callable[..., MigratedDatabase]) -> AsyncIterator[Parts]:
    """Authorizations of the proving server's tools, served and without a worker."""
    with tempfile.TemporaryDirectory(prefix="aut-") as name:
        folder = Path(name)
        async with running(put_together(fresh_database(OWNER), keys_in(folder)), folder) as parts:
            yield parts
