"""A process with nothing but a worker, whose tool writes down each call and then never answers: to be killed.

`python -m tests.integration.dispatch.authorization_worker OWNER_URL KEYS_FILE CALLS_FILE`; the contract is on PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dispatch_service.authorizations.ports import KeptRequest, Response
from tests.fix_postgres import MigratedDatabase
from tests.integration.dispatch.authorization_parts import put_together


async def main(owner_url: str, keys_file: Path, calls_file: Path) -> None:
    """Work until killed."""
    parts = put_together(MigratedDatabase(owner_url=owner_url), keys_file)

    async def hang(kept: KeptRequest) -> Response:
        with calls_file.open("a", encoding="utf-8") as calls:
            calls.write(kept.tool_key + "\n")
        await asyncio.Event().wait()
        raise AssertionError("nobody lets it go on")

    parts.journey.behaviour = hang
    await parts.database.open()
    writing = asyncio.create_task(parts.writer.run())
    await parts.work.run()
    await writing


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
