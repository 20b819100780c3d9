"""Where a third-party server may be and which credential it may get: what an operator may ask for, within the settings.

Above: `registration` asks before a server is kept, `servers` again whenever a client is made, since settings change. Below: the
settings and the keys. A refusal is one line for a person.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from yarl import URL

from mcp_adapter_service.registry.records import KeptServer, NewServer
from mcp_adapter_service.settings import AdapterSettings, environment_variable
from service_kit.keys import BadSeal, Keyring

_PURPOSE = "mcp-server-token"
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class Forbidden(Exception):
    """A server may not be used as it is described; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Endpoint is where one server is: a URL, or a command that starts it; and what it is to be shown as credential."""

    url: str = ""
    command: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """What a started server finds in its environment."""


class Endpoints:
    """Endpoints knows what the settings allow. `taken` are the addresses of the servers that the settings name."""

    def __init__(self, settings: AdapterSettings, keys: Keyring | None) -> None:
        self._settings = settings
        self._keys = keys
        self._taken = {_origin(URL(str(server.url))) for server in settings.mcp.values()}

    def check_address(self, url: str, command: Sequence[str]) -> str:
        """Return what to call the address towards people. Raises Forbidden."""
        if bool(url) == bool(command):
            raise Forbidden("give either the server's URL or the command that starts it")
        return self._check_command(command) if command else self._check_url(url)

    def seal(self, tenant: str, name: str, address: str, token: str) -> bytes:
        """Seal a token for one server at one address. Raises Forbidden."""
        if self._keys is None:
            raise Forbidden("a token cannot be kept: this adapter has no keys file (SWITCHBOARD_KEYS_FILE)")
        if not _VISIBLE.fullmatch(token):
            raise Forbidden("a token is visible ASCII characters only")
        return self._keys.seal(token.encode(), _purpose(tenant, name, address))

    def of(self, server: KeptServer | NewServer) -> Endpoint:
        """Return how to reach a server, with its credential. Raises Forbidden."""
        self.check_address(server.url, server.command)
        if server.command:
            environment = dict(self._settings.stdio_environment())
            if server.token_environment:
                variable = self._variable(server, server.command[0])
                environment[server.token_environment] = variable
            return Endpoint(command=server.command, environment=environment)
        token = self._variable(server, _origin(URL(server.url))) if server.token_environment else None
        if server.sealed_token is not None:
            token = self._unseal(server, server.sealed_token)
        return Endpoint(url=server.url, token=token)

    def _check_url(self, text: str) -> str:
        try:
            url = URL(text)
            host, port = url.host, url.port
        except ValueError:
            raise Forbidden("the URL cannot be read; it is like https://host/mcp") from None
        if url.scheme not in {"http", "https"} or not host or not port or not _VISIBLE.fullmatch(text):
            raise Forbidden("the URL cannot be used; it is like https://host/mcp")
        if url.user is not None or url.password is not None:
            raise Forbidden("the URL has credentials in it; give them as a token")
        if url.raw_query_string or url.raw_fragment or "?" in text or "#" in text:
            raise Forbidden("the URL has a query or a fragment, which would be kept and shown; leave it away")
        if url.scheme == "http" and not _is_loopback(host) and host not in self._settings.mcp_http_hosts:
            raise Forbidden("the URL is not https, and its host is not one of SWITCHBOARD_MCP_HTTP_HOSTS")
        if _origin(url) in self._taken:
            raise Forbidden("the URL is that of a server that this adapter has by its settings")
        return _origin(url)

    def _check_command(self, command: Sequence[str]) -> str:
        if any(not part or "\x00" in part for part in command):
            raise Forbidden("the command has an empty part")
        for allowed in self._settings.stdio_commands():
            if tuple(command[: len(allowed)]) == allowed:
                return command[0].rpartition("/")[2]
        raise Forbidden("the command is not one that SWITCHBOARD_MCP_STDIO_PROGRAMS allows")

    def _variable(self, server: KeptServer | NewServer, place: str) -> str:
        name = server.token_environment
        allowed = self._settings.mcp_tokens.get(name)
        if allowed is None or allowed.place != place or (allowed.tenants and server.tenant not in allowed.tenants):
            raise Forbidden(f"the variable {name} is not one that SWITCHBOARD_MCP_TOKENS lets this server have")
        value = environment_variable(name)
        if not value:
            raise Forbidden(f"the variable {name} is not set in the adapter's environment")
        return value

    def _unseal(self, server: KeptServer | NewServer, sealed: bytes) -> str:
        if self._keys is None:
            raise Forbidden("its token cannot be read: this adapter has no keys file (SWITCHBOARD_KEYS_FILE)")
        try:
            return self._keys.unseal(sealed, _purpose(server.tenant, server.name, server.url)).decode()
        except BadSeal:
            raise Forbidden("its token was sealed with another key; remove the server and register it again") from None


def _purpose(tenant: str, name: str, address: str) -> str:
    """What a seal is for: with another address in its row, a token does not open, so it is sent nowhere else."""
    return "\x1f".join((_PURPOSE, tenant, name, address))


def _origin(url: URL) -> str:
    return str(url.origin())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
