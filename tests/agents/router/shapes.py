"""Messages of the worst shapes that are known, of any size: deep, wide, many parts, long digits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import orjson

Shape = Callable[[int], bytes]

_BATCH = b'{"mpid":"17","events":['
_PROFILES = b'{"type":"audience_membership_change_request","user_profiles":['
_REQUEST = b'{"type":"event_processing_request","events":[{"type":'
_EVENT = {
    "event_type": "custom_event",
    "data": {
        "event_id": "1234567890123456789",
        "timestamp_unixtime_ms": 1_760_000_000_000,
        "event_name": "viewed",
        "custom_attributes": {"page": "3", "price": 19.9, "note": "some words of text " * 8},
    },
}


def ordinary(size: int) -> bytes:
    """What mParticle writes, only larger."""
    event = orjson.dumps(_EVENT)
    identities = [{"identity_type": "email", "identity": "lin@shop.example"}]
    about = orjson.dumps({"mpid": "17", "user_identities": identities})
    return about[:-1] + b',"events":[' + b",".join([event] * (size // len(event))) + b"]}"


def _repeated(before: bytes, part: bytes, after: bytes) -> Shape:
    return lambda size: before + part * ((size - len(before) - len(after)) // len(part)) + after


def _numbered(before: bytes, part: bytes, after: bytes) -> Shape:
    """The same with another name for each, where equal ones would fall together."""

    def shape(size: int) -> bytes:
        count = (size - len(before) - len(after)) // (len(part) + 6)
        return before + b",".join(part % number for number in range(count)) + after

    return shape


_SHAPES: Mapping[str, Shape] = {
    "nested settings": _repeated(b"", b'{"account_settings":', b""),
    "settings that never end": _repeated(b'{"account_settings":[', b"[],", b""),
    "settings beside each other": _repeated(b"{", b'"account_settings":[],', b'"a":1}'),
    "settings with a raw newline": _repeated(b'{"account_settings":["', b"a\n", b'"]}'),
    "keys beside each other": _repeated(b"{", b'"api_key":1,', b'"a":1}'),
    "keys further inside": _repeated(b'{"a":[', b'{"api_key":1},', b"1]}"),
    "escapes": _repeated(b'{"events":[],"a":"', b"\\u0061", b'"}'),
    "escaped quotes": _repeated(b'{"events":[],"a":"', b'\\"', b'"}'),
    "NULs in names": _numbered(b'{"events":[],"user_attributes":{', b'"\\u0000%d":1', b"}}"),
    "quotes": _repeated(b"", b'"', b""),
    "open lists": _repeated(b"", b"[", b""),
    "open objects": _repeated(b"", b'{"a":', b""),
    "brackets in text": _repeated(b'{"events":[],"a":"', b"[{", b'"}'),
    "empty events": _repeated(_BATCH, b"{},", b"{}]}"),
    "least events": _repeated(_BATCH, b'{"event_type":"a","data":{}},', b"{}]}"),
    "events with unknown fields": _repeated(
        _BATCH, b'{"event_type":"first_run","data":{"a":1,"b":2,"c":3}},', b"{}]}"
    ),
    "empty profiles": _repeated(_PROFILES, b"{},", b"{}]}"),
    "broken profiles": _repeated(_PROFILES, b"[],", b"[]]}"),
    "broken audiences": _repeated(_PROFILES + b'{"audiences":[', b"{},", b"{}]}]}"),
    "shared attributes": _repeated(
        _PROFILES + b'{"audiences":[{"audience_id":1,"action":"add","user_attributes":[',
        b'{"key":"a","action":"upsert"},',
        b"{}]}]}]}",
    ),
    "a list of messages": _repeated(b"[", b"{},", b"{}]"),
    "a list of numbers": _repeated(b"[", b"1,", b"1]"),
    "broken identities": _repeated(_BATCH + b'],"user_identities":[', b"1,", b"1]}"),
    "identities": _repeated(
        _BATCH + b'1,2],"user_identities":[', b'{"type":"a","value":1},', b"1]}"
    ),
    "identities by name": _numbered(_BATCH + b'1],"user_identities":{', b'"%d":1', b"}}"),
    "identities in each of many records": lambda size: (
        _BATCH
        + b'{"event_type":"a","data":{}},' * (size // 60)
        + b'{}],"user_identities":['
        + b'{"type":"a","value":1},' * (size // 46)
        + b"1]}"
    ),
    "identities of no value": lambda size: (
        _BATCH
        + b'{"event_type":"a","data":{}},' * min(size // 60, 10_000)
        + b'{}],"user_identities":["'
        + b"a" * (size // 2)
        + b'"]}'
    ),
    "unknown fields": _numbered(b'{"events":[],', b'"a%d":1', b"}"),
    "attributes": _numbered(b'{"events":[],"user_attributes":{', b'"%d":1.50', b"}}"),
    "objects in attributes": _numbered(b'{"events":[],"user_attributes":{', b'"%d":{"a":1}', b"}}"),
    "decimals": _repeated(b'{"events":[],"user_attributes":{"a":[', b"1.50,", b"1]}}"),
    "long integers": _repeated(
        b'{"events":[],"user_attributes":{"a":[', b"99999999999999999999,", b"1]}}"
    ),
    "removed attributes": _repeated(b'{"events":[],"deleted_user_attributes":[', b"{},", b"{}]}"),
    "products": _repeated(_REQUEST + b'"product_action","products":[', b"{},", b"{}]}]}"),
    "broken products": _repeated(_REQUEST + b'"product_action","products":[', b"1,", b"1]}]}"),
    "impressions": _repeated(
        _REQUEST + b'"impression","impressions":[', b'{"products":[{}]},', b"{}]}]}"
    ),
    "notifications": _repeated(_BATCH + b'],"system_notifications":[', b"{},", b"{}]}"),
    "a long integer": _repeated(b'{"events":[],"mpid":', b"1", b"}"),
    "a long decimal": _repeated(b'{"events":[],"user_attributes":{"a":1.', b"1", b"}}"),
    "a long exponent": _repeated(b'{"events":[],"user_attributes":{"a":1e', b"1", b"}}"),
    "a long id": _repeated(b'{"events":[],"mpid":"', b"1", b'"}'),
    "a long kind": _repeated(_BATCH + b'{"event_type":"', b"a", b'","data":{}}]}'),
    "a long name": _repeated(
        _BATCH + b'{"event_type":"custom_event","data":{"event_name":"', b"a", b'"}}]}'
    ),
    "JSON in a text in an attribute": _repeated(
        b'{"events":[],"user_attributes":{"a":{"b":"', b'\\"', b'"}}}'
    ),
    "UTF-16": lambda size: (
        _repeated(b'{"account_settings":["', b"a", b'"]}')(size // 2).decode().encode("utf-16")
    ),
}
SHAPES: Mapping[str, Shape] = MappingProxyType(_SHAPES)
