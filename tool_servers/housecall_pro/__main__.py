"""`python -m tool_servers.housecall_pro`: serve the Housecall Pro tools until told to stop.

Above: `stack` or a person. Below: `servicer` and the runtime.
"""

from __future__ import annotations

from service_kit.settings import load_settings
from tool_servers.housecall_pro.servicer import connected
from tool_servers.housecall_pro.settings import HousecallProSettings
from tool_servers.runtime import run


def main() -> None:
    """Serve."""
    settings = load_settings(HousecallProSettings)
    run("housecall_pro", settings, connected(settings))


if __name__ == "__main__":
    main()
