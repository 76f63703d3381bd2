"""The header Expect, which whoever posts may fill with anything."""

import asyncio

import pytest

from tests.fuzz.receiver import served

_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Token invented-token-of-mparticle\r\n"


async def _first_lines(expected: bytes) -> tuple[bytes, bytes]:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_HEAD + b"Expect: " + expected + b"\r\nContent-Length: 2\r\n\r\n{}")
        first = await reader.readline()
        await reader.readline()
        second = await reader.readline()
        writer.close()
    return first, second


@pytest.mark.parametrize("expected", [b"\xff\xfe", b"a miracle", b""])
async def test_what_else_is_expected_is_passed_over(expected: bytes) -> None:
    first, _ = await _first_lines(expected)
    assert first == b"HTTP/1.1 202 Accepted\r\n"


async def test_a_body_that_waits_is_let_in() -> None:
    first, second = await _first_lines(b"100-continue")
    assert (first, second) == (b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 202 Accepted\r\n")
