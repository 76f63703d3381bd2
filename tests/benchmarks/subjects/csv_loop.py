"""A plain loop over aiokafka: fetch, parse, fold, post CSV, commit; a request at a time."""

import asyncio
import os
import sys

import aiohttp
from aiokafka import AIOKafkaConsumer

from agents.ab_tasty.mapping import RowRules, no_row, row, segment
from agents.ab_tasty.udc import csv_line, to_csv
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.benchmarks.meter import Meter

_ROWS = 1_000
_TEMPLATE = "{audience_name}-{audience_id}"
_RULES = RowRules("mpid", _TEMPLATE, "true", "false")


async def main(group: str) -> None:
    kafka = KafkaSettings.load()
    meter = Meter.of_this_process()
    parse = AUDIENCE_MEMBERSHIP.holds.validate_json
    url = f"{os.environ['ABTASTY_BASE_URL']}/accounts/sandbox-account/segments/mparticle"
    async with (
        AIOKafkaConsumer(
            kafka.topic(AUDIENCE_MEMBERSHIP.name),
            **kafka.client_options(),
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
        aiohttp.ClientSession(headers=await _credential()) as http,
    ):
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=_ROWS)
            if fetched:
                meter.mark("admits")
            latest: dict[tuple[str, str], str] = {}
            for record in (record for records in fetched.values() for record in records):
                change = parse(record.value)
                assert no_row(change, change.audience_name, _RULES) is None
                called = segment(_TEMPLATE, change.audience_id, change.audience_name)
                each = row(change, called, _RULES)
                latest[each.visitor_id, each.segment] = csv_line(each)
            if latest:
                headers = {"Content-Type": "text/csv"}
                body = to_csv(latest.values()).encode()
                async with http.post(url, data=body, headers=headers) as answer:
                    answer.raise_for_status()
                await consumer.commit()


async def _credential() -> dict[str, str]:
    asked = {
        "grant_type": "client_credentials",
        "client_id": os.environ["ABTASTY_CLIENT_ID"],
        "client_secret": os.environ["ABTASTY_CLIENT_SECRET"],
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(os.environ["ABTASTY_TOKEN_URL"], json=asked) as answer,
    ):
        return {"Authorization": f"Bearer {(await answer.json())['access_token']}"}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
