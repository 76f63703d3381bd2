"""One call: four signed parameters, of which `json` holds the arguments."""

from collections.abc import Mapping
from hashlib import md5
from urllib.parse import parse_qsl

import orjson

from sandbox.sailthru import refusals
from sandbox.sailthru.options import Options
from sandbox.server import RefusedError

PARAMETERS = ("api_key", "format", "json", "sig")

Arguments = Mapping[str, object]


def signature(secret: str, parameters: Mapping[str, str]) -> str:
    """MD5 of the secret and the sorted values (not the names) of all parameters but `sig`.

    Observed, identical in the vendor's clients: sailthru/sailthru-python-client
    sailthru/sailthru_client.py, sailthru/sailthru-java-client AbstractSailthruClient.java.
    """
    values = sorted(value for name, value in parameters.items() if name != "sig")
    return md5((secret + "".join(values)).encode()).hexdigest()


def parse_parameters(form: bytes) -> dict[str, str]:
    """Reads a form or a query string; raises RefusedError when it is not UTF-8."""
    try:
        return dict(parse_qsl(form.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError as error:
        raise RefusedError(refusals.INVALID_UTF8, "Invalid UTF-8 in the parameters") from error


def authenticate(parameters: Mapping[str, str], options: Options) -> str:
    """Returns the text of `json`; raises RefusedError when key, signature or format is wrong."""
    for name in PARAMETERS:
        if name not in parameters:
            hint = "; put all arguments of the call into it" if name == "json" else ""
            raise RefusedError(refusals.MISSING_PARAMETER, f"Missing parameter: {name}{hint}")
    if len(parameters) > len(PARAMETERS):
        raise RefusedError(
            refusals.UNEXPECTED_PARAMETER,
            "Send exactly api_key, format, json and sig, with all arguments of the call in json",
        )
    if parameters["api_key"] != options.api_key:
        raise RefusedError(refusals.WRONG_KEY, "Invalid API key")
    if parameters["sig"] != signature(options.api_secret, parameters):
        raise RefusedError(refusals.WRONG_SIGNATURE, "Authentication failed: wrong signature")
    if parameters["format"] != "json":
        raise RefusedError(refusals.WRONG_FORMAT, "The sandbox answers format json only")
    return parameters["json"]


def parse_arguments(text: str) -> Arguments:
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid("json", "a JSON object") from error
    if not isinstance(arguments, dict):
        raise invalid("json", "a JSON object")
    return arguments


def invalid(name: str, wanted: str) -> RefusedError:
    return RefusedError(refusals.INVALID_ARGUMENT, f"Invalid argument {name}: {wanted} is needed")


def required_text(arguments: Arguments, name: str) -> str:
    if arguments.get(name) in (None, ""):
        raise RefusedError(refusals.MISSING_PARAMETER, f"Missing parameter: {name}")
    return as_text(name, arguments[name])


def as_text(name: str, value: object) -> str:
    # A number is taken for its digits: a key such as extid may well be sent as one.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise invalid(name, "a text")
    return str(value)


def optional_object(arguments: Arguments, name: str) -> dict[str, object]:
    value = arguments.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(name, "an object")
    return value


def optional_flag(arguments: Arguments, name: str) -> bool | None:
    value = arguments.get(name)
    if value is None:
        return None
    if value not in (0, 1):
        raise invalid(name, "1 or 0")
    return bool(value)
