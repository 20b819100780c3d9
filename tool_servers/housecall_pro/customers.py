"""Who and where: the vendor's customer and address for a person and a place, found or else made.

Above: `booking`, `estimate` and `previews`. Below: `vendor`, `work`.

A customer is the same one where mobile number and name are. A number alone is not enough (families share them), a name alone
even less.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from dataclasses import dataclass
from weakref import WeakValueDictionary

from switchboard.booking.v1.booking_pb2 import Address, Customer

from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.wire import AddressRecord, CustomerRecord, address_body
from tool_servers.housecall_pro.work import Work
from tool_servers.runtime import InvalidArgument

_AMERICAN = re.compile(r"\+1(\d{10})(?:;ext=(\d+))?", re.ASCII)
_NO_DIGIT = re.compile(r"\D", re.ASCII)
_WORD = re.compile(r"\w+")
# How the postal service writes what people write out.
_SHORT = {
    "avenue": "ave", "boulevard": "blvd", "circle": "cir", "court": "ct", "drive": "dr", "highway": "hwy", "lane": "ln",
    "parkway": "pkwy", "place": "pl", "road": "rd", "square": "sq", "street": "st", "terrace": "ter", "trail": "trl",
    "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se",
    "southwest": "sw", "apartment": "apt", "suite": "ste", "floor": "fl", "building": "bldg", "room": "rm",
}  # fmt: skip
# Words that say that a unit follows, and nothing more.
_UNIT = {"apt", "unit", "no", "number"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """A telephone number as the vendor takes it (ten digits), and what it has no field for."""

    mobile: str
    extension: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Who asks for work, and where."""

    customer: Customer
    phone: Phone
    address: Address
    lead_source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The vendor's ids of a customer and of one of the customer's addresses."""

    customer_id: str
    address_id: str


def read_client(customer: Customer, address: Address, lead_source: str) -> Client:
    """Return the client. Raises InvalidArgument for a number that the vendor cannot keep."""
    match = _AMERICAN.fullmatch(customer.phone)
    if match is None:
        raise InvalidArgument("The scheduling system takes telephone numbers of the United States only.", field="customer.phone")
    phone = Phone(mobile=match[1], extension=match[2] or "")
    return Client(customer=customer, phone=phone, address=address, lead_source=lead_source)


class CustomerFile:
    """Finds and makes customers and addresses."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        # Two requests of one new customer at the same time must not make two customers.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, deadline: float, client: Client) -> CustomerRecord | None:
        """Return the customer with that mobile number and name. Raises VendorProblem."""
        wanted = _name(client.customer.first_name, client.customer.last_name)
        async for record in self._vendor.customers(deadline, client.phone.mobile):
            same_number = _NO_DIGIT.sub("", record.mobile_number)[-10:] == client.phone.mobile
            if same_number and _name(record.first_name, record.last_name) == wanted:
                return record
        return None

    async def known(self, work: Work, deadline: float, client: Client) -> CustomerRecord | None:
        """Return the customer that this work is for, if there is one yet. Raises VendorProblem."""
        if work.progress.customer_id is not None:
            return await self._vendor.customer(deadline, work.progress.customer_id)
        return await self.find(deadline, client)

    async def place(self, work: Work, deadline: float, client: Client, known: CustomerRecord | None) -> Place:
        """Return customer and address, making what `known` lacks. Raises VendorProblem and Unsettled.

        What is made is recorded: a repeated call makes nothing twice.
        """
        found = address_of(known, client.address) if known is not None else None
        if known is not None and found is not None:
            return Place(customer_id=known.id, address_id=found.id)
        lock = self._locks.setdefault(client.phone.mobile, asyncio.Lock())
        waited = lock.locked()
        async with lock:
            if waited:
                known = await self.known(work, deadline, client)
            record = known or await self._create(work, deadline, client)
            found = address_of(record, client.address) or await self._add_address(work, deadline, client, record)
            await work.record(posting=None, customer_id=record.id, address_id=found.id)
            return Place(customer_id=record.id, address_id=found.id)

    async def _create(self, work: Work, deadline: float, client: Client) -> CustomerRecord:
        body = {
            "first_name": client.customer.first_name,
            "last_name": client.customer.last_name,
            "mobile_number": client.phone.mobile,
            "addresses": [address_body(client.address)],
        }
        body |= {"email": client.customer.email} if client.customer.email else {}
        body |= {"lead_source": client.lead_source} if client.lead_source else {}
        return await work.post_once(
            "customer",
            find=lambda: self.find(deadline, client),
            post=lambda: self._vendor.create_customer(deadline, body),
        )

    async def _add_address(self, work: Work, deadline: float, client: Client, record: CustomerRecord) -> AddressRecord:
        async def find() -> AddressRecord | None:
            return address_of(await self._vendor.customer(deadline, record.id), client.address)

        if work.progress.posting != "address":
            await work.record(posting=None, customer_id=record.id)
        return await work.post_once(
            "address",
            find=find,
            post=lambda: self._vendor.add_address(deadline, record.id, address_body(client.address)),
        )


def _name(first: str, last: str) -> str:
    return " ".join(unicodedata.normalize("NFC", f"{first} {last}").casefold().split())


def address_of(record: CustomerRecord, address: Address) -> AddressRecord | None:
    """Return the customer's address that is this one. City and state follow from the ZIP code, and people spell them as they
    please."""
    wanted = (_words(f"{address.line1} {address.line2}"), address.zip[:5])
    for known in record.addresses:
        if (_words(f"{known.street} {known.street_line_2}"), known.zip[:5]) == wanted:
            return known
    return None


def _words(street: str) -> tuple[str, ...]:
    words = (_SHORT.get(word, word) for word in _WORD.findall(unicodedata.normalize("NFC", street).casefold()))
    return tuple(word for word in words if word not in _UNIT)
