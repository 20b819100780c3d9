"""The development authority: certificates by which the processes of one run know each other.

Above: the topology gives each process its own, Envoy among them. Below: `<state>/tls/`, which only its owner can read.

Each start makes a new authority, whose key is never written down, and new certificates: nothing from an earlier run, and
nobody who finds the files of this one, can make another.
"""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from service_kit.tls import identity, server_name
from stack.errors import StackError
from stack.state import StateDirectory, write_atomically

# Who is who in the certificates. Replicas of a service share its name; `switchboard` is the supervisor and its commands.
ENVOY = "envoy"
DISPATCH = "dispatch"
ADAPTER = "adapter"
MODEL_GATEWAY = "model_gateway"
OPERATOR = "switchboard"

_VALID = timedelta(days=90)
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class CertificateFiles:
    """One process's certificate, its key and the authority that the others' are from."""

    certificate: Path
    key: Path
    authority: Path

    def environment(self, *peers: str) -> dict[str, str]:
        """The settings of a service that these processes may call."""
        listed = ", ".join(f'"{peer}"' for peer in peers)
        return {
            "SWITCHBOARD_TLS": "on",
            "SWITCHBOARD_TLS_CERTIFICATE": str(self.certificate),
            "SWITCHBOARD_TLS_KEY": str(self.key),
            "SWITCHBOARD_TLS_CA": str(self.authority),
            "SWITCHBOARD_TLS_PEERS": f"[{listed}]",
        }

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client of ours calls a service with. Raises StackError where the files are gone."""
        try:
            return grpc.ssl_channel_credentials(self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes())
        except OSError as problem:
            raise StackError(f"cannot read {problem.filename} ({problem.strerror}); start the stack again") from None


class DevelopmentAuthority:
    """An authority that lives as long as this object, and a folder for the certificates that it issues."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Switchboard development authority")])
        usage = _key_usage(signs_certificates=True)
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        write_atomically(self._folder / "ca.pem", _pem(certificate))
        self.operator = self.issue(OPERATOR)

    def issue(self, name: str, process: str | None = None) -> CertificateFiles:
        """Make a certificate for a process that is `name` to the others; its files are called after `process`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(server_name(name)), x509.UniformResourceIdentifier(identity(name))]
        certificate = (
            _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        files = _files(self._folder, process or name)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_atomically(files.key, private.decode())
        write_atomically(files.certificate, _pem(certificate))
        return files


def new_authority(state: StateDirectory) -> DevelopmentAuthority:
    """Make this run's authority, in place of the last run's."""
    shutil.rmtree(state.tls, ignore_errors=True)
    state.tls.mkdir(mode=stat.S_IRWXU)
    return DevelopmentAuthority(state.tls)


def operator_certificate(state: StateDirectory) -> CertificateFiles:
    """The certificate with which commands of `switchboard` call the running stack's services."""
    return _files(state.tls, OPERATOR)


def _files(folder: Path, process: str) -> CertificateFiles:
    return CertificateFiles(certificate=folder / f"{process}.pem", key=folder / f"{process}.key", authority=folder / "ca.pem")


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
