"""More than one dispatch behind the gateway: one that is not there costs nobody a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.model_gateway.conftest import Gateway, running
from tests.integration.model_gateway.scripted_dispatch import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_replica_that_is_away_is_passed_over(folder: Path) -> None:
    async with serving(folder) as (dispatch, target):
        both = {"SWITCHBOARD_DISPATCH_TARGET": f"unix:{folder}/nobody.sock, {target}"}
        with running(folder, both) as (socket, log):
            gateway = Gateway(socket=socket, dispatch=dispatch, log=log)
            async with gateway.client() as client:
                for _ in range(6):
                    result = await client.call_tool("server1__things_do_001", {"customer": "c"})
                    assert not result.is_error
    assert len(dispatch.calls) == 6


async def test_with_no_dispatch_a_model_is_told_to_come_back(folder: Path) -> None:
    async with serving(folder) as (dispatch, _):
        with running(folder, {"SWITCHBOARD_DISPATCH_TARGET": f"unix:{folder}/nobody.sock"}) as (socket, log):
            gateway = Gateway(socket=socket, dispatch=dispatch, log=log)
            async with gateway.client() as client:
                result = await client.call_tool("server1__things_do_001", {"customer": "c"})
                assert result.is_error
                assert "Try again later" in str(result.content[0])
    assert dispatch.asked == []
