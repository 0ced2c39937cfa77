"""Rows of figures, and the ratios between them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

OURS = "isocentre"


@dataclass
class Table:
    """One question, asked of several nodes: a row each, a column a load.

    Attributes
    ----------
    head
        What a row is.
    """

    title: str
    unit: str
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    head: str = "node"

    def put(self, row: str, column: str, value: float) -> None:
        """Set one figure, and say it at once: a long run should not be silent."""
        self.rows.setdefault(row, {})[column] = value
        print(f"  {self.title}: {row}, {column}: {value:,.2f} {self.unit}", flush=True)

    def better(self, row: str, column: str, value: float) -> None:
        """Set one figure unless there is a better one already: others on the machine only make it worse."""
        known = self.rows.get(row, {}).get(column, value)
        self.put(row, column, min(known, value) if self.less_is_better else max(known, value))

    def columns(self) -> list[str]:
        """All columns, in the order in which they came."""
        return list(dict.fromkeys(column for row in self.rows.values() for column in row))

    def render(self) -> str:
        """The table in Markdown; behind each figure of another node how many times ours is better."""
        columns = self.columns()
        lines = [f"### {self.title}{f' ({self.unit})' if self.unit else ''}", ""]
        body = [
            [name, *(self._cell(name, row.get(column), column) for column in columns)]
            for name, row in self.rows.items()
        ]
        return "\n".join([*lines, *grid([self.head, *columns], body, right=True)])

    def _cell(self, name: str, value: float | None, column: str) -> str:
        if value is None:
            return ""
        text = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
        mine = self.rows.get(OURS, {}).get(column)
        if mine is None or name == OURS or not value or not mine:
            return text
        ratio = value / mine if self.less_is_better else mine / value
        return f"{text} ({ratio:.1f}x)"

    @property
    def less_is_better(self) -> bool:
        """Whether it tells of time, and not of what is done in it."""
        return self.unit == "s" or self.unit.startswith(("ms", "s "))


def grid(head: list[str], rows: Iterable[list[str]], *, right: bool = False) -> list[str]:
    """The lines of a table in Markdown; all columns but the first stand to the `right`."""
    rule = "---:|" if right else "---|"
    lines = [f"| {' | '.join(head)} |", "|---|" + rule * (len(head) - 1)]
    return lines + [f"| {' | '.join(cells)} |" for cells in rows]
