"""`python -m dispatch_service`: the dispatch service, configured by its environment."""

from dispatch_service.app import serve
from dispatch_service.settings import DispatchSettings
from service_kit.grpc_server import run
from service_kit.logging import configure_logging
from service_kit.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(DispatchSettings)
    configure_logging("dispatch_service", settings.log_level)
    run(serve(settings))
