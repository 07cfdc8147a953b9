"""What fitting needs of those who learn, and the usual case: one process."""

from collections.abc import Mapping
from typing import Protocol

import lightgbm as lgb

from eagle_trainer.parameters import Value
from eagle_trainer.series import Integers


class Team(Protocol):
    """Makes boosters and grows them, alone or together."""

    @property
    def size(self) -> int:
        """How many workers learn."""

    def booster(self, settings: Mapping[str, Value], data: lgb.Dataset, rows: Integers | None) -> lgb.Booster:
        """A booster without trees, over the given rows of `data` (sorted positions); None: over all of them."""

    def grow(self, booster: lgb.Booster) -> None:
        """Add a tree to a booster that `booster` made."""


class Alone:
    """One process, all rows."""

    size = 1

    def booster(self, settings: Mapping[str, Value], data: lgb.Dataset, rows: Integers | None) -> lgb.Booster:
        """Raises LightGBMError for settings that LightGBM refuses."""
        return lgb.Booster(dict(settings), data if rows is None else data.subset(rows.tolist()))

    def grow(self, booster: lgb.Booster) -> None:
        """Add a tree."""
        booster.update()


ALONE = Alone()
