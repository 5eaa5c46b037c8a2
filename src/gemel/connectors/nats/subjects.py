"""Subject templates: those of MQTT topics, with the words of NATS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gemel.connectors.payloads import Payload, Reader, Router
from gemel.connectors.topics import Template, filters, parse_address
from gemel.errors import InvalidDocument, InvalidInput, Problem
from gemel.twin import Binding

__all__ = ["Subjects"]

_SWAP = str.maketrans("./", "/.")
"""A dot parts a subject and may stand in a topic's level; a slash the other way round."""


class Subjects:
    """Which subjects are wanted, and how what comes on them is read."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        payload: Payload,
        subjects: Mapping[str, Payload],
        frames: Sequence[str],
    ) -> None:
        """Raises InvalidDocument with every subject that cannot be one."""
        problems: list[Problem] = []
        topics: list[Binding] = []
        for place, binding in enumerate(bindings):
            subject, path = parse_address(binding.address)
            try:
                topic = _topic(subject)
                Template.parse(topic)
            except InvalidInput as error:
                problems.append(Problem(error.detail, field=f"bindings[{place}].address"))
                continue
            topics.append(msgspec.structs.replace(binding, address=f"{topic}#{path}" if path else topic))
        if problems:
            raise InvalidDocument("the bindings", problems)
        if unknown := set(subjects) - {parse_address(binding.address)[0] for binding in bindings}:
            raise InvalidInput(f"settings.subjects names {min(unknown)!r:.200}, which no binding has as its subject")
        self._router = Router(topics, payload, {_topic(name): one for name, one in subjects.items()})
        self._frames = [Template.parse(_topic(subject)) for subject in frames]
        self.filters = [_subject(one) for one in filters([*self._router.templates, *self._frames])]
        """What to subscribe to."""
        if not self.filters:
            raise InvalidInput("nothing to subscribe to: give bindings, or settings.frames")

    def is_frame(self, subject: str) -> bool:
        """Whether messages on this subject are Arrow."""
        return any(template.match(subject.translate(_SWAP)) is not None for template in self._frames)

    def reader(self, subject: str) -> Reader | None:
        """The reader of a subject; None when no binding is on it."""
        return self._router.reader(subject.translate(_SWAP).encode())


def _topic(subject: str) -> str:
    """The topic template of a subject template. Raises InvalidInput."""
    tokens = subject.split(".")
    if not all(tokens) or any(character.isspace() for character in subject):
        raise InvalidInput(
            f"subject {subject!r:.200} has an empty part or a blank; write it like plant.{{line}}.*.load"
        )
    if any(set(token) & set("*>+#") and token not in ("*", ">") for token in tokens):
        raise InvalidInput(f"subject {subject!r:.200}: * and > stand for whole parts; + and # cannot be used")
    if ">" in tokens[:-1]:
        raise InvalidInput(f"subject {subject!r:.200}: > stands for all further parts, so it comes last")
    words = {"*": "+", ">": "**"}
    return "/".join(words.get(token, token.translate(_SWAP)) for token in tokens)


def _subject(filter_: str) -> str:
    words = {"+": "*", "#": ">"}
    return ".".join(words.get(level, level.translate(_SWAP)) for level in filter_.split("/"))
