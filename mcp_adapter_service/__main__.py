"""`python -m mcp_adapter_service` runs the adapter until SIGTERM."""

from mcp_adapter_service.app import serve
from service_kit.grpc_server import run

if __name__ == "__main__":
    run(serve())
