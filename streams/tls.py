"""TLS as a client: whom to trust, and what is wrong when a handshake fails."""

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, FilePath

Fault = Literal[
    "untrusted",
    "expired",
    "not_yet_valid",
    "wrong_name",
    "no_tls",
    "too_old",
    "client_certificate",
    "our_certificate",
]

# OpenSSL's X509_V_ERR_… (openssl/x509_vfy.h), which Python passes on as `verify_code`.
_BY_VERIFY_CODE: dict[int, Fault] = {
    9: "not_yet_valid",
    10: "expired",
    62: "wrong_name",
    64: "wrong_name",
}
# Names that OpenSSL gives to what it was told or has read (openssl/sslerr.h).
_BY_REASON: dict[str, Fault] = {
    "WRONG_VERSION_NUMBER": "no_tls",
    "RECORD_LAYER_FAILURE": "no_tls",
    "PACKET_LENGTH_TOO_LONG": "no_tls",
    "HTTP_REQUEST": "no_tls",
    "UNSUPPORTED_PROTOCOL": "too_old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "too_old",
    "NO_PROTOCOLS_AVAILABLE": "too_old",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client_certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "client_certificate",
    "TLSV1_ALERT_CERTIFICATE_REQUIRED": "client_certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "our_certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "our_certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our_certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our_certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "our_certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "our_certificate",
}
_SAID: dict[Fault, str] = {
    "untrusted": "its certificate is signed by nobody whom this machine trusts",
    "expired": "its certificate has expired, unless this machine's clock is wrong",
    "not_yet_valid": "its certificate is not valid yet, unless this machine's clock is wrong",
    "wrong_name": "its certificate is for another name",
    "no_tls": "it does not speak TLS on that port",
    "too_old": "it speaks no version of TLS that is safe",
    "client_certificate": "it asks for a certificate of ours",
    "our_certificate": "it does not take our certificate",
}


class Trouble(NamedTuple):
    """A fault of the other side's TLS, as a name and as a clause."""

    fault: Fault
    said: str


NO_TLS = Trouble("no_tls", _SAID["no_tls"])


def explain(error: BaseException) -> Trouble | None:
    """Reads an error of a handshake; None where it may pass by itself, or is none of TLS's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _BY_VERIFY_CODE.get(error.verify_code, "untrusted")
        return Trouble(fault, _SAID[fault])
    if isinstance(error, ssl.SSLError) and (known := _BY_REASON.get(error.reason or "")):
        return Trouble(known, _SAID[known])
    return None


def context(ca_file: Path | None, *, besides_system: bool) -> ssl.SSLContext:
    """Makes what checks certificates, by the file's authorities, alone or beside the system's."""
    if ca_file is None or besides_system:
        made = ssl.create_default_context()
        if ca_file is not None:
            made.load_verify_locations(cafile=ca_file)
        return made
    return ssl.create_default_context(cafile=ca_file)


def show_certificate(
    context: ssl.SSLContext, file: Path, key_file: Path | None, password: str | None
) -> None:
    """Has a context say who we are; raises ssl.SSLError or OSError.

    `file` holds the certificate and what leads to its authority, and without `key_file` the key.
    """
    # Without a password of ours, OpenSSL would ask for one at the terminal.
    context.load_cert_chain(file, key_file, password or "")


def why_not_loaded(error: OSError) -> str:
    """Reads an error of `show_certificate`, as a clause that says what to use."""
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "the key of KAFKA_SSL_KEYFILE is another's"
    return (
        "use a readable file of a certificate in PEM form, with its key there or in "
        "KAFKA_SSL_KEYFILE, and KAFKA_SSL_KEY_PASSWORD where the key is locked; of a PKCS 12 file "
        "openssl pkcs12 -in FILE -nodes makes one"
    )


class Renewed(ssl.SSLContext):
    """A context that is made anew, of files as they are by then, for each connection."""

    make: Callable[[], ssl.SSLContext]
    made: ssl.SSLContext

    @classmethod
    def by(cls, make: Callable[[], ssl.SSLContext]) -> Self:
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.make, context.made = make, make()
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        # Files that are being exchanged do not fit each other for a moment.
        with contextlib.suppress(OSError):
            self.made = self.make()
        return self.made.wrap_bio(*args, **kwargs)


def _holds_certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        raise ValueError(
            "use a readable file of certificates in PEM form"
            + (f"; {_OF_STORES}" if _is_der(path) else "")
        ) from None
    return path


def _is_der(path: Path) -> bool:
    """Returns whether a file is of the binary kinds, PKCS 12 among them."""
    with contextlib.suppress(OSError), path.open("rb") as opened:
        return opened.read(1) == b"\x30"
    return False


_OF_STORES = "of a PKCS 12 file openssl pkcs12 -in FILE -nokeys makes one"

CaFile = Annotated[FilePath, AfterValidator(_holds_certificates)]
"""A file of authorities' certificates."""
