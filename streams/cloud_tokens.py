"""Tokens for Kafka that a cloud's own library gives, each an extra of this project.

Who we are is what the library finds where it runs: a role of the pod or machine, a file or
variables that it names in its own manual. It is looked for anew with each token. Nothing of it is
imported before a token is asked for.
"""

import base64
import contextlib
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import orjson

from streams import clocks

Cloud = Literal["msk_iam", "gcp", "azure"]


class CloudError(Exception):
    """A cloud gives no token; the message is a clause that says what to do."""


class CloudToken(NamedTuple):
    """A token and the time at which it ends, in seconds since 1970."""

    text: str
    ends_at: float


class _Vendor(NamedTuple):
    """`errors` names the module and the class of what the library raises."""

    module: str
    ask: Callable[[str, str | None, str | None], CloudToken]
    errors: tuple[str, str]
    what_to_do: str


def lack(cloud: Cloud) -> str | None:
    """A sentence that says what to install, where the cloud's library is not."""
    with contextlib.suppress(ModuleNotFoundError):  # of the package that it is a part of
        if find_spec(_VENDORS[cloud].module) is not None:
            return None
    extra = cloud.replace("_", "-")
    return (
        f"KAFKA_OAUTH_PROVIDER={cloud} needs the extra {extra}: pip install --constraint "
        f"constraints.txt '.[{extra}]', or build the image with EXTRAS={extra}."
    )


def ask(cloud: Cloud, host: str, region: str | None, scope: str | None) -> CloudToken:
    """Asks for a token for the Kafka at that host, and blocks meanwhile; raises CloudError."""
    vendor = _VENDORS[cloud]
    module, name = vendor.errors
    own: type[Exception] = getattr(import_module(module), name)
    try:
        return vendor.ask(host, region, scope)
    except (own, ValueError, OSError) as error:  # the others are of files that it was to read
        raise CloudError(f"{vendor.what_to_do} ({type(error).__name__})") from error


# Amazon MSK Developer Guide, "Get the bootstrap brokers", also for Serverless and China.
_REGION = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")
_AWS_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def _of_msk(host: str, region: str | None, _scope: str | None) -> CloudToken:
    """A signed address that lives for a quarter of an hour (aws/aws-msk-iam-sasl-signer-python)."""
    found = _REGION.search(host)
    where = region or (found[1] if found else None)
    where = where or next(filter(None, map(os.environ.get, _AWS_REGIONS)), None)
    if where is None:
        raise CloudError("set KAFKA_OAUTH_REGION to the cluster's region")
    signer = import_module("aws_msk_iam_sasl_signer.MSKAuthTokenProvider")
    try:
        text, ends_at_ms = signer.generate_auth_token(where)
    except AttributeError as error:  # how version 1.0.2 meets that there are no credentials
        raise CloudError(_VENDORS["msk_iam"].what_to_do) from error
    return CloudToken(text, ends_at_ms / 1000)


_GCP_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Google's own handler for Java reads it so.
_GCP_PRINCIPAL = "GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL"


def _of_gcp(_host: str, _region: str | None, scope: str | None) -> CloudToken:
    """An access token within Google's own envelope.

    googleapis/managedkafka, `kafka-auth-local-server` and `GcpLoginCallbackHandler`.
    """
    credentials, _ = import_module("google.auth").default(scopes=[scope or _GCP_SCOPE])
    credentials.refresh(import_module("google.auth.transport.requests").Request())
    principal = os.environ.get(_GCP_PRINCIPAL) or getattr(
        credentials, "service_account_email", None
    )
    if not principal:
        raise CloudError(f"set {_GCP_PRINCIPAL} to the service account's address")
    # Its own times are of UTC, and do not say so.
    ends_at = credentials.expiry.replace(tzinfo=UTC).timestamp()
    header = {"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}
    claims = {
        "iss": "Google",
        "sub": principal,
        "scope": "kafka",
        "iat": int(clocks.wall()),
        "exp": int(ends_at),
    }
    parts = (orjson.dumps(header), orjson.dumps(claims), str(credentials.token).encode())
    return CloudToken(".".join(map(_url_safe, parts)), ends_at)


def _url_safe(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _of_azure(host: str, _region: str | None, scope: str | None) -> CloudToken:
    """A token of Entra for the namespace, which Event Hubs takes as it is."""
    made: Any = import_module("azure.identity").DefaultAzureCredential()
    with made:
        token = made.get_token(scope or f"https://{host}/.default")
    return CloudToken(token.token, token.expires_on)


_VENDORS: Mapping[Cloud, _Vendor] = {
    "msk_iam": _Vendor(
        "aws_msk_iam_sasl_signer",
        _of_msk,
        ("botocore.exceptions", "BotoCoreError"),
        "give this process a role or keys that AWS's library finds, as in its manual",
    ),
    "gcp": _Vendor(
        "google.auth",
        _of_gcp,
        ("google.auth.exceptions", "GoogleAuthError"),
        "give this process a service account that Google's library finds (application default "
        "credentials)",
    ),
    "azure": _Vendor(
        "azure.identity",
        _of_azure,
        ("azure.core.exceptions", "AzureError"),
        "give this process an identity that Azure's library finds (DefaultAzureCredential), and "
        "set KAFKA_OAUTH_SCOPE where KAFKA_BOOTSTRAP_SERVERS names no namespace",
    ),
}
