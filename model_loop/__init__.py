"""The loop between a model and this gateway's tools, for a chat backend: functions in, tool calls out, a person in between.

Read in this order: `loop` (the rounds), `provider` (the model's API), `gateway` (the tools' door), `errors`. It needs httpx and
pydantic only and knows the gateway by its published JSON, so that a backend can take it along.
"""

from model_loop.errors import (
    GatewayError,
    GatewayRefused,
    GatewayUnavailable,
    LoopError,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreadable,
)
from model_loop.gateway import Gateway
from model_loop.loop import Answered, LoopState, Outcome, OutOfRounds, ToolLoop, Waiting
from model_loop.messages import Confirmation, FunctionCall, Message, ToolCall
from model_loop.provider import Completion, ModelProvider, OpenAiCompatible

__all__ = [
    "Answered",
    "Completion",
    "Confirmation",
    "FunctionCall",
    "Gateway",
    "GatewayError",
    "GatewayRefused",
    "GatewayUnavailable",
    "LoopError",
    "LoopState",
    "Message",
    "ModelProvider",
    "OpenAiCompatible",
    "OutOfRounds",
    "Outcome",
    "ProviderBusy",
    "ProviderError",
    "ProviderRefused",
    "ProviderUnavailable",
    "ProviderUnreadable",
    "ToolCall",
    "ToolLoop",
    "Waiting",
]
