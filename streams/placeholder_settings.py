"""Settings for who sends nothing: names of variables stand for what must be set and is not."""

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import Field, SecretStr, create_model

from streams.base_settings import Settings

Group = TypeVar("Group", bound=Settings)


def with_placeholders(group: type[Group]) -> Group:
    """Reads the environment; raises SettingsError with one sentence for what is set and wrong."""
    required = [name for name, field in group.model_fields.items() if field.is_required()]
    settings = _without_requirements(group, required).read()
    lacking = {*settings.lacking(), *(name for name in required if getattr(settings, name) is None)}
    # Not validated: a variable's name is no URL, and no number.
    return settings.model_copy(update={name: _stand_in(group, name) for name in lacking})


def _without_requirements(group: type[Group], required: Iterable[str]) -> type[Group]:
    fields: dict[str, Any] = {}
    for name in required:
        whole: Any = group.model_fields[name].rebuild_annotation()
        fields[name] = (whole | None, Field(None, validate_default=False))
    return create_model(group.__name__, __base__=group, **fields)


def _stand_in(group: type[Settings], name: str) -> str | SecretStr:
    annotation = group.model_fields[name].annotation
    variable = group.variable(name)
    return SecretStr(variable) if SecretStr in {annotation, *get_args(annotation)} else variable
