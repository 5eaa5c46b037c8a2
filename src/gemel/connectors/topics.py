"""Topic templates: MQTT filters whose levels may be named, so that one binding serves thousands of devices."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gemel.errors import InvalidInput

__all__ = ["Template", "fill", "filters", "parse_address", "variables"]

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,31})\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed topic template: `plant/{line}/+/telemetry`, `plant/{twin}/**`."""

    text: str
    filter: str
    """What is subscribed to."""
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    """The variables that a match binds."""

    def match(self, topic: str) -> dict[str, str] | None:
        """The variables' values when `topic` is one of this template's, else None."""
        found = self.pattern.fullmatch(topic)
        return found.groupdict() if found else None

    @classmethod
    def parse(cls, text: str) -> Template:
        """The template that `text` writes. Raises InvalidInput."""
        levels = text.split("/")
        names: list[str] = []
        subscribed, pattern = [], []
        for number, level in enumerate(levels):
            if level == "**":
                if number != len(levels) - 1:
                    raise InvalidInput(f"topic {text!r:.200}: ** stands for all further levels, so it comes last")
                subscribed.append("#")
                pattern.append(r".*")
            elif level == "+":
                subscribed.append("+")
                pattern.append(r"[^/]*")
            elif variable := _VARIABLE.fullmatch(level):
                name = variable[1]
                if name in names:
                    raise InvalidInput(f"topic {text!r:.200} names {{{name}}} twice")
                names.append(name)
                subscribed.append("+")
                pattern.append(rf"(?P<{name}>[^/]+)")
            elif set(level) & set("{}+#\0"):
                raise InvalidInput(
                    f"topic {text!r:.200}: level {level!r} is neither a name nor a whole {{variable}}, + or a last **"
                )
            else:
                subscribed.append(level)
                pattern.append(re.escape(level))
        if not text or len(text.encode()) > 1024:
            raise InvalidInput(f"topic {text!r:.200} must have 1 to 1024 bytes")
        return cls(text, "/".join(subscribed), re.compile("/".join(pattern), re.DOTALL), tuple(names))


def parse_address(address: str) -> tuple[str, str]:
    """(topic template, path) of a binding's address: `plant/{twin}/telemetry#oil.temp`; no #: the whole payload."""
    topic, _, path = address.partition("#")
    return topic, path


def variables(text: str) -> list[str]:
    """Names in braces: those of "{line}.press" are ["line"]."""
    return _VARIABLE.findall(text)


def fill(text: str, values: dict[str, str]) -> str:
    """`text` with its variables filled in."""
    return _VARIABLE.sub(lambda found: values[found[1]], text) if "{" in text else text


def filters(templates: list[Template]) -> list[str]:
    """What to subscribe to for all templates, without filters that another one covers: a broker may send a message
    once per filter that matches it."""
    wanted = sorted({template.filter for template in templates})
    exact = {one for one in wanted if "+" not in one and "#" not in one}
    wild = [one for one in wanted if one not in exact]
    kept = [one for one in wild if not any(other != one and _covers(other, one) for other in wild)]
    return kept + sorted(one for one in exact if not any(_covers(other, one) for other in kept))


def _covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide`."""
    left, right = wide.split("/"), narrow.split("/")
    for number, level in enumerate(left):
        if level == "#":
            return not (number == 0 and right[0].startswith("$"))
        if number >= len(right) or right[number] == "#" or (level != "+" and level != right[number]):
            return False
        if level == "+" and number == 0 and right[0].startswith("$"):
            return False
    return len(left) == len(right)
