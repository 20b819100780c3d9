"""Cleaning and normalising of text: what comes out is safe, stable, and what the libraries would say."""

from __future__ import annotations

import unicodedata

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service_kit.contract import text

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
FORBIDDEN = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff\u200b\x00\x1b\x07")


@given(ANYTHING)
@example("a\u202eb")
@example("\u2066\u2069")
@example(" \t\n ")
def test_one_line_has_no_control_characters_and_cleaning_it_again_changes_nothing(given_text: str) -> None:
    cleaned = text.one_line(given_text)
    assert not FORBIDDEN & set(cleaned)
    assert "\n" not in cleaned
    assert cleaned == cleaned.strip()
    assert unicodedata.is_normalized("NFC", cleaned)
    assert text.one_line(cleaned) == cleaned


@given(ANYTHING)
@example("a\r\nb\u2028c\n\n\n\nd")
def test_many_lines_keep_their_breaks_and_nothing_that_cannot_be_seen(given_text: str) -> None:
    cleaned = text.multi_line(given_text)
    assert not FORBIDDEN & set(cleaned)
    assert "\n\n\n" not in cleaned
    assert "\r" not in cleaned
    assert text.multi_line(cleaned) == cleaned


LABEL = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
ADDRESS = st.builds(
    lambda local, labels, top: f"{local}@{'.'.join([*labels, top])}",
    st.from_regex(r"[a-zA-Z0-9._+-]{1,20}", fullmatch=True),
    st.lists(LABEL, min_size=1, max_size=4),
    st.sampled_from(["com", "example", "test", "local", "co", "museum", "x", "c0m", "invalid"]),
)


@given(st.one_of(ADDRESS, st.emails(), ANYTHING))
@settings(max_examples=400)
def test_the_short_way_for_email_addresses_says_what_the_library_says(address: str) -> None:
    try:
        expected = validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        expected = None
    try:
        found = text.email(address)
    except text.Malformed:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("(608) 555-0123", "+16085550123"),
        ("608.555.0123", "+16085550123"),
        ("+1 608 555 0123", "+16085550123"),
        ("1-608-555-0123 ext. 45", "+16085550123;ext=45"),
        ("+44 20 7946 0958", "+442079460958"),
    ],
)
def test_a_phone_number_has_one_written_form(written: str, expected: str) -> None:
    assert text.phone(written) == expected
    assert text.phone(expected) == expected


AMERICAN = st.builds(
    lambda country, opening, area, closing, gap, exchange, dash, line: (
        f"{country}{opening}{area}{closing}{gap}{exchange}{dash}{line}"
    ),
    st.sampled_from(["", "+1", "1-", "+1 ", "1"]),
    st.sampled_from(["", "("]),
    st.from_regex(r"[0-9]{3}", fullmatch=True),
    st.sampled_from(["", ")"]),
    st.sampled_from(["", " ", "-", "."]),
    st.from_regex(r"[0-9]{3}", fullmatch=True),
    st.sampled_from(["", " ", "-", "."]),
    st.from_regex(r"[0-9]{4,5}", fullmatch=True),
)


@given(AMERICAN)
@settings(max_examples=500)
def test_the_short_way_for_american_numbers_says_what_the_library_says(written: str) -> None:
    try:
        number = phonenumbers.parse(written, "US")
        valid = phonenumbers.is_valid_number(number)
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None
    except phonenumbers.NumberParseException:
        expected = None
    try:
        found = text.phone(written)
    except text.Malformed:
        found = None
    assert found == expected


@pytest.mark.parametrize("written", ["12", "000-000-0000", "call me", "+999 1234", "608-555-01234567", ""])
def test_what_cannot_be_called_is_no_phone_number(written: str) -> None:
    with pytest.raises(text.Malformed):
        text.phone(written)


@pytest.mark.parametrize(("written", "code"), [("wi", "WI"), ("Wisconsin", "WI"), ("D.C.", "DC"), ("puerto rico", "PR")])
def test_a_state_is_known_by_code_and_by_name(written: str, code: str) -> None:
    assert text.us_state(written) == code


@pytest.mark.parametrize(
    ("code", "state", "agree"), [("53703", "WI", True), ("90210", "WI", False), ("00901", "PR", True), ("20001", "DC", True)]
)
def test_a_zip_code_lies_in_its_state(code: str, state: str, *, agree: bool) -> None:
    assert text.zip_in_state(code, state) is agree


@given(ANYTHING)
def test_an_identifier_is_taken_as_it_is_or_refused(given_text: str) -> None:
    try:
        assert text.opaque(given_text) in {given_text, ""}
    except text.Malformed:
        assert not given_text.isprintable()
