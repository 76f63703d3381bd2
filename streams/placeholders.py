"""Settings for who sends nothing: names of variables stand for what must be set and is not."""

from collections.abc import Iterator
from typing import TypeVar, get_args

from pydantic import SecretStr, ValidationError

from streams.base_settings import Settings

Group = TypeVar("Group", bound=Settings)


def with_placeholders(group: type[Group]) -> Group:
    """Reads the environment; raises SettingsError with one sentence for what is set and wrong."""
    settings = group.read(**{name: group.variable(name) for name in _required(group)})
    # Not validated: a variable's name is no URL, and no number.
    return settings.model_copy(update={name: _stand_in(group, name) for name in settings.lacking()})


def _required(group: type[Settings]) -> Iterator[str]:
    try:
        group()
    except ValidationError as error:
        for each in error.errors(include_input=False):
            if each["type"] == "missing":
                yield str(each["loc"][0])


def _stand_in(group: type[Settings], name: str) -> str | SecretStr:
    secret = SecretStr in get_args(group.model_fields[name].annotation)
    variable = group.variable(name)
    return SecretStr(variable) if secret else variable
