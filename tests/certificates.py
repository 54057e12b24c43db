"""Certificates for servers on loopback, as clusters have them: good, badly formed but true, and false."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
HOST = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """One with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True)
class Shown:
    """What a server shows, and what its clients have as the CA's file."""

    server: Certificate
    trusted: bytes
    between: bytes = b""
    """The certificates that the server sends besides its own."""

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        """Write chain, key and CA; return where."""
        paths = folder / "chain.pem", folder / "key.pem", folder / "ca.pem"
        for path, data in zip(
            paths, (self.server.pem() + self.between, self.server.key_pem(), self.trusted), strict=True
        ):
            path.write_bytes(data)
        return paths


def a_ca(
    name: str = "ca",
    issuer: Certificate | None = None,
    *,
    identifiers: bool = True,
    usage: bool = True,
    critical: bool = True,
) -> Certificate:
    """A root, or what its issuer has signed."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca=True, path_length=None), critical)]
    if usage:
        extensions.append((_usage(signs=True), True))
    return _signed(name, issuer, extensions, identifiers=identifiers)


def a_leaf(
    issuer: Certificate | None,
    name: str = "kube-apiserver",
    *,
    host: x509.GeneralName | None = None,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    identifiers: bool = True,
    constrained: bool = True,
    usage: bool = True,
    signs: bool = False,
) -> Certificate:
    """A server's, for 127.0.0.1 unless another host is named; without an issuer it signs itself."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([host or x509.IPAddress(HOST)]), False)
    ]
    if constrained:
        extensions.append((x509.BasicConstraints(ca=False, path_length=None), True))
    if usage:
        extensions.append((_usage(signs=signs), True))
    if purpose:
        extensions.append((x509.ExtendedKeyUsage([purpose]), False))
    return _signed(name, issuer, extensions, identifiers=identifiers, begins=begins, ends=ends)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(
    name: str,
    issuer: Certificate | None,
    extensions: list[tuple[x509.ExtensionType, bool]],
    *,
    identifiers: bool,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
) -> Certificate:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)  # noqa: TID251 - TLS asks the real clock
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    signer = issuer or Certificate(None, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if identifiers:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Certificate(builder.sign(signer.key, hashes.SHA256()), key)


def _good() -> Shown:
    ca = a_ca()
    return Shown(a_leaf(ca), ca.pem())


def _without_identifiers() -> Shown:
    ca = a_ca(identifiers=False)
    return Shown(a_leaf(ca, identifiers=False), ca.pem())


def _leaf_without_identifiers() -> Shown:
    ca = a_ca()
    return Shown(a_leaf(ca, identifiers=False), ca.pem())


def _not_critical() -> Shown:
    ca = a_ca(critical=False)
    return Shown(a_leaf(ca), ca.pem())


def _without_usage() -> Shown:
    ca = a_ca(usage=False)
    return Shown(a_leaf(ca, usage=False), ca.pem())


def _leaf_that_may_sign() -> Shown:
    ca = a_ca()
    return Shown(a_leaf(ca, signs=True), ca.pem())


def _without_a_subject() -> Shown:
    ca = a_ca()
    return Shown(a_leaf(ca, name=""), ca.pem())


def _between_without_identifiers() -> Shown:
    root = a_ca("root", identifiers=False)
    between = a_ca("between", root, identifiers=False, critical=False)
    return Shown(a_leaf(between, identifiers=False), root.pem(), between.pem())


def _between_trusted() -> Shown:
    between = a_ca("between", a_ca("root"))
    return Shown(a_leaf(between), between.pem())


TRUSTED = {
    "as RFC 5280 asks": _good,
    "no key identifiers in CA and certificate": _without_identifiers,
    "no key identifiers in the certificate": _leaf_without_identifiers,
    "basicConstraints of the CA not critical": _not_critical,
    "no keyUsage": _without_usage,
    "keyCertSign in the server's certificate": _leaf_that_may_sign,
    "no subject, and alternative names not critical": _without_a_subject,
    "an intermediate CA without key identifiers": _between_without_identifiers,
    "an intermediate CA in the CA's file, without its root": _between_trusted,
}
"""What kubectl takes."""


def _another_ca() -> Shown:
    return Shown(a_leaf(a_ca("another", identifiers=False), identifiers=False), a_ca(identifiers=False).pem())


def _another_ca_of_the_same_name() -> Shown:
    return Shown(a_leaf(a_ca(identifiers=False), identifiers=False), a_ca(identifiers=False).pem())


def _signs_itself() -> Shown:
    return Shown(a_leaf(None, identifiers=False), a_ca(identifiers=False).pem())


def _another_host(host: x509.GeneralName) -> Shown:
    ca = a_ca(identifiers=False)
    return Shown(a_leaf(ca, host=host, identifiers=False), ca.pem())


def _at_another_time(begins: timedelta, ends: timedelta) -> Shown:
    ca = a_ca(identifiers=False)
    return Shown(a_leaf(ca, begins=begins, ends=ends, identifiers=False), ca.pem())


def _a_clients() -> Shown:
    ca = a_ca(identifiers=False)
    return Shown(a_leaf(ca, purpose=ExtendedKeyUsageOID.CLIENT_AUTH, identifiers=False), ca.pem())


def _signed_by_a_leaf(*, constrained: bool) -> Shown:
    ca = a_ca(identifiers=False)
    between = a_leaf(ca, "another's", identifiers=False, constrained=constrained, usage=constrained)
    return Shown(a_leaf(between, identifiers=False), ca.pem(), between.pem())


REFUSED = {
    "another CA": _another_ca,
    "another CA of the same name": _another_ca_of_the_same_name,
    "signed by itself": _signs_itself,
    "another address": lambda: _another_host(x509.IPAddress(ipaddress.ip_address("127.0.0.2"))),
    "a name, where an address is asked for": lambda: _another_host(x509.DNSName("kubernetes.default.svc")),
    "expired": lambda: _at_another_time(-2 * DAY, -DAY),
    "not yet valid": lambda: _at_another_time(DAY, 2 * DAY),
    "a client's certificate": _a_clients,
    "signed by a server's certificate of that CA": lambda: _signed_by_a_leaf(constrained=True),
    "signed by a certificate that says nothing of signing": lambda: _signed_by_a_leaf(constrained=False),
}
"""What kubectl refuses. None has key identifiers: no other check may rest upon them."""
