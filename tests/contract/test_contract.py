"""The contract as a document: generated code is fresh, every name is explained, and what would break a client is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from stack.contract_gen import IMAGE, ROOT, breaking, differences, generate, lint

_FORBIDDEN = {
    "a field is renamed": ("dispatch/v1/dispatch_service.proto", "string thread_id = 1", "string conversation_id = 1"),
    "a field is removed": ("dispatch/v1/card.proto", "  // key names the number in GET /api/site.\n  string key = 1;\n", ""),
    "a field's type changes": ("dispatch/v1/card.proto", "int32 duration_minutes = 4", "string duration_minutes = 4"),
    "a field's number changes": ("dispatch/v1/error.proto", "optional bool retryable = 5", "optional bool retryable = 6"),
    "a JSON name changes": (
        "dispatch/v1/error.proto",
        "repeated string missing_fields = 3",
        'repeated string missing_fields = 3 [json_name = "missing"]',
    ),
    "an enum value is renamed": ("dispatch/v1/error.proto", "  NOT_FOUND = 5", "  NOTHING_FOUND = 5"),
    "an enum value is removed": ("booking/v1/booking.proto", "  EVENING = 3;", ""),
}
_ALLOWED = {
    "a field is added": (
        "dispatch/v1/error.proto",
        "optional bool retryable = 5;",
        "optional bool retryable = 5;\n  // help says how to go on.\n  string help = 6;",
    ),
    "an enum value is added": (
        "booking/v1/booking.proto",
        "  EVENING = 3;",
        "  EVENING = 3;\n  // NIGHT is after the evening.\n  NIGHT = 4;",
    ),
    "a comment changes": ("booking/v1/booking.proto", "EVENING is 17:00 to 20:00", "EVENING is from 17:00 to 20:00"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the contract generates now."""
    folder = tmp_path_factory.mktemp("gen")
    generate(folder)
    return folder


def test_the_committed_code_and_image_are_what_the_contract_generates(built: Path) -> None:
    assert differences(built) == []


def test_the_contract_passes_buf_lint(built: Path) -> None:
    assert lint(built / IMAGE) == 0


def test_every_name_in_the_contract_has_a_comment_that_begins_with_it(built: Path) -> None:
    image = descriptor_pb2.FileDescriptorSet.FromString((built / IMAGE).read_bytes())
    named = {name: comment for file in image.file if file.package.startswith("switchboard.") for name, comment in comments(file)}
    assert len(named) > 300
    assert not [name for name, comment in named.items() if not begins_with(comment, name.rpartition(".")[2])]


def comments(file: descriptor_pb2.FileDescriptorProto) -> list[tuple[str, str]]:
    """The full name and the comment of everything that is declared in a file, oneofs and extensions included."""
    found = []
    texts = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}

    def walk(message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], scope: str) -> None:
        name = f"{scope}.{message.name}"
        found.append((name, texts.get(path, "")))
        for number, members in ((2, message.field), (8, message.oneof_decl)):
            for index, member in enumerate(members):
                if not (number == 8 and member.name.startswith("_")):  # An optional field's own oneof is nobody's word.
                    found.append((f"{name}.{member.name}", texts.get((*path, number, index), "")))
        for index, enum in enumerate(message.enum_type):
            values(enum, (*path, 4, index), name)
        for index, inner in enumerate(message.nested_type):
            if not inner.options.map_entry:
                walk(inner, (*path, 3, index), name)

    def values(enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...], scope: str) -> None:
        name = f"{scope}.{enum.name}"
        found.append((name, texts.get(path, "")))
        found.extend((f"{name}.{value.name}", texts.get((*path, 2, index), "")) for index, value in enumerate(enum.value))

    for index, message in enumerate(file.message_type):
        walk(message, (4, index), file.package)
    for index, enum in enumerate(file.enum_type):
        values(enum, (5, index), file.package)
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        found.append((name, texts.get((6, index), "")))
        for number, method in enumerate(service.method):
            found.append((f"{name}.{method.name}", texts.get((6, index, 2, number), "")))
    found.extend((f"{file.package}.{option.name}", texts.get((7, index), "")) for index, option in enumerate(file.extension))
    return found


def begins_with(comment: str, name: str) -> bool:
    first, *rest = comment.split() or [""]
    return first.rstrip(":,") == name and len(rest) >= 2


@pytest.mark.parametrize("change", _FORBIDDEN)
def test_a_change_that_breaks_json_or_grpc_clients_is_refused(
    change: str, built: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, old, _ = _FORBIDDEN[change]
    assert breaking(changed(tmp_path, *_FORBIDDEN[change]), built / IMAGE) != 0
    assert f"switchboard/{path}" in "".join(capfd.readouterr()), old


@pytest.mark.parametrize("change", _ALLOWED)
def test_a_change_that_breaks_nobody_is_accepted(change: str, built: Path, tmp_path: Path) -> None:
    assert breaking(changed(tmp_path, *_ALLOWED[change]), built / IMAGE) == 0


def changed(folder: Path, path: str, old: str, new: str) -> Path:
    """The image of a copy of the contract in which `old` is replaced."""
    shutil.copytree(ROOT / "proto", folder / "proto")
    file = folder / "proto" / "switchboard" / path
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has changed: say differently what to replace"
    file.write_text(text.replace(old, new), encoding="utf-8")
    generate(folder / "gen", folder / "proto")
    return folder / "gen" / IMAGE
