"""`python -m model_gateway`: the door for models, configured by its environment."""

from __future__ import annotations

from model_gateway.process import serve
from model_gateway.settings import GatewaySettings
from service_kit.logging import configure_logging
from service_kit.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(GatewaySettings)
    configure_logging("model_gateway", settings.log_level)
    serve(settings)
