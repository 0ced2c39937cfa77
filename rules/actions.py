"""What a rule can have done: routes, de-identification, inference, assignment, labels, holding, discarding.

Only names are known here: of peers, models and profiles. What they are, and the doing, is the node's.

Example
-------
>>> plain(Route(("PACS",), alternate="PACS2"))
{'action': 'route', 'to': ['PACS'], 'alternate': 'PACS2'}
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeAlias

PRIORITIES = {"urgent": 0, "ordinary": 50, "background": 90}
"""Words for the numbers of priorities: the smaller goes first."""


URGENCIES = ("routine", "urgent", "stat")


@dataclass(frozen=True, slots=True)
class Route:
    """Deliver to each of these peers, or to the alternate when one is down.

    Attributes
    ----------
    priority
        0 to 99, the smaller first; None for that of the rule.
    """

    to: tuple[str, ...]
    alternate: str = ""
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Deidentify:
    """Make a de-identified copy by a profile, then deliver it, keep it in the archive, or both."""

    profile: str
    to: tuple[str, ...] = ()
    alternate: str = ""
    keep: bool = False
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Infer:
    """Let a model look at it."""

    model: str
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Give the study to a centre, a reader, or both, with an urgency (one of `URGENCIES`)."""

    centre: str = ""
    reader: str = ""
    urgency: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """Put a label on it."""

    label: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Deliver nothing of it until a person has looked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove it from the archive when all else that was decided for it is done. Never an upload."""

    reason: str


Action: TypeAlias = Route | Deidentify | Infer | Assign | Tag | Hold | Discard

KINDS: dict[str, type[Action]] = {
    "route": Route,
    "deidentify": Deidentify,
    "infer": Infer,
    "assign": Assign,
    "tag": Tag,
    "hold": Hold,
    "discard": Discard,
}
"""Actions by the word for them in a rule file."""

_WORDS = {kind: word for word, kind in KINDS.items()}


def word(action: Action) -> str:
    """Return the word for an action in a rule file."""
    return _WORDS[type(action)]


def required(part: "Field[Any]") -> bool:
    """Tell whether an action cannot be without this field."""
    return part.default is MISSING


def lacking(action: Action) -> str:
    """Return what an action lacks to mean something, empty when nothing."""
    match action:
        case Route(to=()):
            return "to: at least one peer"
        case Deidentify(to=(), keep=False):
            return "to: at least one peer, or keep = true"
        case Assign(centre="", reader="", urgency=""):
            return "centre, reader or urgency"
    return ""


def peers(action: Action) -> tuple[str, ...]:
    """Return the names of the peers that an action may deliver to."""
    if not isinstance(action, Route | Deidentify):
        return ()
    return (*action.to, action.alternate) if action.alternate else action.to


def discards(actions: Iterable[Action]) -> bool:
    """Tell whether one of `actions` discards."""
    return any(isinstance(action, Discard) for action in actions)


def plain(action: Action) -> dict[str, Any]:
    """Return an action as plain data, as in a rule file."""
    data: dict[str, Any] = {"action": word(action)}
    for part in fields(action):
        value = getattr(action, part.name)
        if required(part) or value != part.default:
            data[part.name] = list(value) if isinstance(value, tuple) else value
    return data


def from_plain(data: Mapping[str, Any]) -> Action:
    """Read what `plain` returned.

    Raises
    ------
    KeyError, TypeError
        It did not.
    """
    rest: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    kind: Callable[..., Action] = KINDS[rest.pop("action")]
    return kind(**rest)
