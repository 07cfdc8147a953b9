"""Arrays that grow in place while rows arrive, so that nothing is ever held twice.

The C library moves a large block by moving its pages, not by copying them; a list of parts that is joined at the end
takes twice the memory, and so does doubling.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

_LEAST_ROWS = 65_536
_SLACK = 8
"""An array is made longer by an eighth."""


class Growing:
    """An array [N] or [N, width] to which rows are added."""

    def __init__(self, dtype: npt.DTypeLike, *width: int) -> None:
        self._array: npt.NDArray[Any] = np.zeros((0, *width), dtype)
        self._used = 0

    def room(self, rows: int) -> npt.NDArray[Any]:
        """The next rows, to be written at once: the view is void when more room is asked for."""
        start, self._used = self._used, self._used + rows
        if self._used > len(self._array):
            longer = max(self._used, len(self._array) + max(_LEAST_ROWS, len(self._array) // _SLACK))
            self._resize(longer)
        return self._array[start : self._used]

    def done(self) -> npt.NDArray[Any]:
        """The array of all rows that were added. Nothing can be added afterwards."""
        self._resize(self._used)
        return self._array

    def _resize(self, rows: int) -> None:
        self._array.resize((rows, *self._array.shape[1:]), refcheck=False)
