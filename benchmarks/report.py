"""Rows of figures, and the ratios between them."""

from dataclasses import dataclass, field


@dataclass
class Table:
    """One question, asked of several nodes: a row each, a column a load."""

    title: str
    unit: str
    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def put(self, row: str, column: str, value: float) -> None:
        """Set one figure, and say it at once: a long run should not be silent."""
        self.rows.setdefault(row, {})[column] = value
        print(f"  {self.title}: {row}, {column}: {value:,.1f} {self.unit}", flush=True)

    def columns(self) -> list[str]:
        """All columns, in the order in which they came."""
        return list(dict.fromkeys(column for row in self.rows.values() for column in row))

    def render(self, ours: str = "isocentre", *, less_is_better: bool = False) -> str:
        """The table in Markdown; behind each figure of another node how many times ours is better."""
        columns = self.columns()
        lines = [f"### {self.title} ({self.unit})", "", "| node | " + " | ".join(columns) + " |"]
        lines.append("|---|" + "---:|" * len(columns))
        for name, row in self.rows.items():
            cells = [self._cell(name, row.get(column), column, ours, less_is_better) for column in columns]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _cell(self, name: str, value: float | None, column: str, ours: str, less: bool) -> str:
        if value is None:
            return ""
        text = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
        mine = self.rows.get(ours, {}).get(column)
        if mine is None or name == ours or not value or not mine:
            return text
        ratio = value / mine if less else mine / value
        return f"{text} ({ratio:.1f}x)"
