"""The access log: one JSON object per call, without query strings, bodies or tokens.

Above: `stack.envoy_config`. Below: Envoy's substitution formatter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"

# `ORIG` is the path as the client sent it, `NQ` is without its query string, which may hold what a person typed.
_LINE = {
    "at": "%START_TIME%",
    "service": "envoy",
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpcStatus": "%GRPC_STATUS_NUMBER%",
    "reason": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "durationMs": "%DURATION%",
    "bytesReceived": "%BYTES_RECEIVED%",
    "bytesSent": "%BYTES_SENT%",
    "correlationId": "%RESP(X-CORRELATION-ID)%",
    "clientRequestId": "%REQ(X-CLIENT-REQUEST-ID)%",
}


def access_log(target: Path | str) -> list[dict[str, Any]]:
    """Envoy's `access_log` for a file, `stdout`, `stderr` or `none`."""
    form = {"log_format": {"json_format": _LINE}}
    if isinstance(target, Path):
        kind = {"@type": f"{_LOGGERS}.file.v3.FileAccessLog", "path": str(target.absolute())}
        return [{"name": "envoy.access_loggers.file", "typed_config": {**kind, **form}}]
    if target == "none":
        return []
    kind = {"@type": f"{_LOGGERS}.stream.v3.{target.capitalize()}AccessLog"}
    return [{"name": f"envoy.access_loggers.{target}", "typed_config": {**kind, **form}}]
