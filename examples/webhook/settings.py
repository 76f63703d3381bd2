"""What an operator sets for the webhook."""

from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from streams.addresses import Url
from streams.http import HttpSettings


class WebhookSettings(HttpSettings):
    """Where records are posted, and how many at once."""

    model_config = SettingsConfigDict(env_prefix="WEBHOOK_")
    addresses = ("url",)

    url: Url = Field(description="address that records are posted to, as a JSON array")
    token: SecretStr | None = Field(None, description="sent as a bearer token, where it is set")
    batch_records: PositiveInt = Field(100, description="records of one user in a request, at most")
    requests_per_minute: PositiveInt | None = Field(
        None, description="how many requests the address takes, of all workers together"
    )
