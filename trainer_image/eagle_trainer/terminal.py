"""What a person at a terminal sees: bars, ticks and tables, on standard error, so that output can be piped."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_MOST_FACTS = 4


def plain(text: object) -> str:
    """As it is: a column `speed [m/s]` is no markup."""
    return escape(str(text))


class Terminal:
    """A console with one bar. Also a listener of a Stopwatch: a step is a tick with its time and figures."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._bar = self._progress.add_task("start", total=100)

    @contextmanager
    def showing(self) -> Iterator["Terminal"]:
        """The bar is on the screen inside."""
        with self._progress:
            yield self

    def progress(self, step: str, percent: float) -> None:
        """So far of the whole, in percent."""
        self._progress.update(self._bar, description=step, completed=percent)

    def finished(self, step: str, seconds: float, facts: Mapping[str, object]) -> None:
        """One line that a step is done, with the first of its figures."""
        told = ", ".join(f"{name} {_figure(value)}" for name, value in list(facts.items())[:_MOST_FACTS])
        self.console.print(f"[green]✓[/green] {step:<12} {seconds:7.1f} s  [dim]{plain(told)}[/dim]", highlight=False)

    def say(self, text: str) -> None:
        """A line, with rich's markup; what is not our own text goes through `plain`."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str | None = None) -> None:
        """A table whose first column is text and whose others are figures, with markup as in `say`."""
        table = Table(title=title, title_justify="left", caption=note, caption_justify="left", title_style="bold")
        for position, name in enumerate(columns):
            table.add_column(name, justify="right" if position else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def _figure(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
