"""TLS as a client: whom to trust, and what is wrong when a handshake fails."""

import ssl
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, FilePath

Fault = Literal[
    "untrusted", "expired", "not_yet_valid", "wrong_name", "no_tls", "too_old", "client_certificate"
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
}
_SAID: dict[Fault, str] = {
    "untrusted": "its certificate is signed by nobody whom this machine trusts",
    "expired": "its certificate has expired, unless this machine's clock is wrong",
    "not_yet_valid": "its certificate is not valid yet, unless this machine's clock is wrong",
    "wrong_name": "its certificate is for another name",
    "no_tls": "it does not speak TLS on that port",
    "too_old": "it speaks no version of TLS that is safe",
    "client_certificate": "it asks for a certificate of ours",
}


class Trouble(NamedTuple):
    """What is wrong with the other side's TLS, as a name and as a clause."""

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
    """What checks certificates and names; the file's authorities alone, or besides the system's."""
    if ca_file is None or besides_system:
        made = ssl.create_default_context()
        if ca_file is not None:
            made.load_verify_locations(cafile=ca_file)
        return made
    return ssl.create_default_context(cafile=ca_file)


def _holds_certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        raise ValueError("use a readable file of certificates in PEM form") from None
    return path


CaFile = Annotated[FilePath, AfterValidator(_holds_certificates)]
"""A file of authorities' certificates."""
