"""Path and query parameters, read the way the vendor reads them.

Above: endpoints. Below: `errors` for the refusals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from tool_servers.housecall_pro_sandbox.errors import invalid

_ID = re.compile(r"[a-z]{3}_[0-9a-f]{32}")
_MAX_PAGE_SIZE = 200
_MAX_SEARCH = 200


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of a list is asked for; `number` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """How many items come before this page."""
        return (self.number - 1) * self.size


def read_page(request: Request) -> Page:
    """`page` (1 by default) and `page_size` (10 by default, at most 200)."""
    return Page(
        number=read_integer(request, "page", default=1, least=1, most=1_000_000),
        size=read_integer(request, "page_size", default=10, least=1, most=_MAX_PAGE_SIZE),
    )


def read_integer(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """The query parameter `name` as a whole number within bounds."""
    text = request.query_params.get(name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise invalid(name, f"must be a whole number from {least} to {most}")
    return int(text)


def read_terms(request: Request) -> list[str]:
    """The words of `q`, all of which must occur. No `q` means no words."""
    text = request.query_params.get("q", "")
    if "\0" in text or len(text) > _MAX_SEARCH:
        raise invalid("q", f"must be text of at most {_MAX_SEARCH} characters")
    return text.lower().split()


def read_customer_filter(request: Request) -> str | None:
    """The query parameter `customer_id`; None where the list is not restricted to one customer."""
    text = request.query_params.get("customer_id")
    if not text:
        return None
    if not is_id(text):
        raise invalid("customer_id", "is not an id")
    return text


def is_id(text: str) -> bool:
    """Say whether `text` has the form of the vendor's ids. What has not is not looked up."""
    return _ID.fullmatch(text) is not None
