"""`make gen`: builds the generated Python and the descriptor image from `proto/`, offline.

Above: the Makefile. Below: protoc (grpcio-tools), mypy-protobuf's gRPC stubs, buf for lint and breaking checks.

protovalidate's wheel carries `buf/validate/validate.proto` as a descriptor only, so that file enters protoc through a
descriptor set; google/api comes as text from googleapis-common-protos. Output is replaced as a whole, never edited.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED_PACKAGES = ("switchboard", "buf")
IMAGE = "contract.binpb"


class GenerationError(Exception):
    """The contract cannot be built; the message is what the compiler said."""


def validate_descriptor_set() -> bytes:
    """Return a serialized FileDescriptorSet with `buf/validate/validate.proto` and what it imports."""
    from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
    from protovalidate._gen.buf.validate import validate_pb

    result = descriptor_pb2.FileDescriptorSet()
    pool = descriptor_pool.Default()
    for dependency in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.FindFileByName(dependency.DESCRIPTOR.name).CopyToProto(result.file.add())
    result.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return result.SerializeToString()


def generate(out: Path, contract: Path = ROOT / "proto") -> None:
    """Write what `contract` generates under `out`: `python/…`, the image `contract.binpb` with source info, the policy schema."""
    import google.api.annotations_pb2
    from grpc_tools import protoc

    site = Path(google.api.annotations_pb2.__file__).parents[2]
    well_known = str(resources.files("grpc_tools").joinpath("_proto"))
    sources = sorted(str(path.relative_to(contract)) for path in contract.rglob("*.proto"))
    python = out / "python"
    python.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        validate_set = Path(scratch) / "validate.binpb"
        validate_set.write_bytes(validate_descriptor_set())
        includes = [f"-I{contract}", f"-I{site}", f"-I{well_known}", f"--descriptor_set_in={validate_set}"]
        binaries = Path(sys.executable).parent
        typed = [
            f"--plugin=protoc-gen-mypy={binaries / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={binaries / 'protoc-gen-mypy_grpc'}",
            f"--mypy_out=quiet:{python}",
        ]
        arguments = [
            "protoc",
            *includes,
            f"--python_out={python}",
            f"--grpc_python_out={python}",
            *typed,
            f"--mypy_grpc_out=quiet:{python}",
            f"--descriptor_set_out={out / IMAGE}",
            "--include_imports",
            "--include_source_info",
            *sources,
        ]
        if protoc.main(arguments) != 0:
            raise GenerationError("protoc refused the contract; its message is above")
        validate = ["protoc", *includes, f"--python_out={python}", *typed, "buf/validate/validate.proto"]
        if protoc.main(validate) != 0:
            raise GenerationError("protoc could not generate buf/validate")
    _write_policy_schema(out)
    for stub in list(python.rglob("*_pb2_grpc.py")):
        # protoc writes a stub module for every file; those of files without a service are noise.
        if "class " not in stub.read_text(encoding="utf-8"):
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    for stub in list(python.rglob("*_pb2_grpc.pyi")):
        if not stub.with_suffix(".py").exists():
            stub.unlink()


def _write_policy_schema(out: Path) -> None:
    """Write the schema that policies are checked against, from the image just built."""
    from google.protobuf import descriptor_pb2

    from dispatch_service.policy.contract import vocabulary_of
    from dispatch_service.policy.schema import FILE, render

    image = descriptor_pb2.FileDescriptorSet.FromString((out / IMAGE).read_bytes())
    (out / FILE).write_text(render(vocabulary_of(image)), encoding="utf-8")


def replace(built: Path) -> None:
    """Put the built tree in the place of the committed one."""
    for package in GENERATED_PACKAGES:
        shutil.rmtree(ROOT / "gen" / "python" / package, ignore_errors=True)
        shutil.copytree(built / "python" / package, ROOT / "gen" / "python" / package)
    for product in built.iterdir():
        if product.is_file():
            shutil.copy(product, ROOT / "gen" / product.name)


def differences(built: Path) -> list[str]:
    """Return the generated files that differ from the committed ones, by path under `gen/`."""
    committed = ROOT / "gen"
    names = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    names |= {
        str(path.relative_to(committed)) for path in committed.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(
        name
        for name in names
        if not (built / name).exists()
        or not (committed / name).exists()
        or not filecmp.cmp(built / name, committed / name, shallow=False)
    )


def lint(image: Path) -> int:
    """Run `buf lint` on the image and return its exit status."""
    buf = Path(sys.executable).parent / "buf"
    return subprocess.run(
        [str(buf), "lint", f"{image}#format=binpb", "--config", str(ROOT / "buf.yaml")], cwd=ROOT, check=False
    ).returncode


def breaking(image: Path, against: Path) -> int:
    """Run `buf breaking` on the image against an earlier one and return its exit status."""
    buf = Path(sys.executable).parent / "buf"
    return subprocess.run(
        [
            str(buf), "breaking", f"{image}#format=binpb", "--against", f"{against}#format=binpb",
            "--config", str(ROOT / "buf.yaml"), "--exclude-imports",
        ],
        cwd=ROOT,
        check=False,
    ).returncode  # fmt: skip


def committed_image(revision: str, into: Path) -> Path | None:
    """Write the image that `revision` of this repository holds, or return None where it holds none."""
    shown = subprocess.run(["git", "show", f"{revision}:gen/{IMAGE}"], cwd=ROOT, check=False, capture_output=True)
    if shown.returncode != 0:
        return None
    path = into / "against.binpb"
    path.write_bytes(shown.stdout)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Generate; or with --check say which committed files are stale and lint the contract (exit 1 on either)."""
    parser = argparse.ArgumentParser(prog="make gen", description="Build generated code from proto/.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files and lint; change nothing")
    parser.add_argument("--against", metavar="REVISION", help="with --check: also refuse changes that break JSON clients")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch) / "gen"
        try:
            generate(built)
        except GenerationError as problem:
            print(problem, file=sys.stderr)
            return 1
        from stack import settings_docs

        page = settings_docs.render()
        if not options.check:
            replace(built)
            settings_docs.FILE.write_text(page, encoding="utf-8")
            return lint(ROOT / "gen" / IMAGE)
        stale = differences(built)
        for name in stale:
            print(f"gen/{name} is stale: run `make gen` and commit", file=sys.stderr)
        if not settings_docs.FILE.exists() or settings_docs.FILE.read_text(encoding="utf-8") != page:
            stale.append("settings")
            print("docs/settings.md is stale: run `make gen` and commit", file=sys.stderr)
        status = lint(built / IMAGE)
        if options.against and (against := committed_image(options.against, Path(scratch))):
            status |= breaking(built / IMAGE, against)
        return 1 if stale or status else 0


if __name__ == "__main__":
    raise SystemExit(main())
