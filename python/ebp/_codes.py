"""Output codes of the ten digits: bitmaps, seven pixels wide and twelve high, for the RBF layer of LeNet-5.

LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition", compare
the 84 outputs before the last layer with a stylised picture of each class: characters that look alike get
codes that are near each other, and what is no character can be rejected. The values -1 and +1 are where
1.7159 tanh(2x/3) has its greatest curvature, so that no unit is driven into saturation (S4.5). The glyphs
below are drawn for `ebp`; any two of them differ in at least 20 pixels.
"""

from __future__ import annotations

import numpy as np

SHAPE = (12, 7)  # rows, columns

# Five digits beside each other, row by row: first 0 to 4, then 5 to 9.
_GLYPHS = (
    """
    ..###..  ...##..  .#####.  #######  ....##.
    .#####.  ..###..  #######  #######  ...###.
    ##...##  .####..  ##...##  .....##  ...###.
    ##...##  ##.##..  ##...##  ....##.  ..####.
    ##...##  ...##..  .....##  ...##..  ..#.##.
    ##...##  ...##..  ....##.  ..####.  .##.##.
    ##...##  ...##..  ...##..  ..#####  .#..##.
    ##...##  ...##..  ..##...  .....##  ##..##.
    ##...##  ...##..  .##....  .....##  #######
    ##...##  ...##..  ##.....  .....##  #######
    .#####.  #######  #######  #######  ....##.
    ..###..  #######  #######  ######.  ....##.
    """,
    """
    #######  ....###  #######  ..###..  .#####.
    #######  ...###.  #######  .##.##.  #######
    ##.....  ..##...  .....##  .##.##.  ##...##
    ##.....  .##....  .....##  .##.##.  ##...##
    ######.  .##....  ....##.  .##.##.  ##...##
    #######  ######.  ....##.  ..###..  #######
    ....###  #######  ...##..  .#####.  .######
    .....##  ##...##  ...##..  ##...##  ....##.
    .....##  ##...##  ..##...  ##...##  ....##.
    ....##.  ##...##  ..##...  ##...##  ...##..
    ######.  #######  .##....  #######  .###...
    ####...  .#####.  .##....  .#####.  ###....
    """,
)


def digit_codes() -> np.ndarray:
    """The bitmaps of the digits 0 to 9 as rows: +1 for ink, -1 for paper.

    Returns
    -------
    codes : ndarray of shape (10, 84), float64
        `codes[d].reshape(12, 7)` is the picture of digit d; a new array at each call.

    Examples
    --------
    >>> for row in digit_codes()[7].reshape(12, 7)[:6]:
    ...     print("".join("#" if pixel > 0 else "." for pixel in row))
    #######
    #######
    .....##
    .....##
    ....##.
    ....##.
    """
    lines = [[line.split() for line in block.split("\n") if line.strip()] for block in _GLYPHS]
    digits = ["".join(rows) for block in lines for rows in zip(*block, strict=True)]
    return np.array([[1.0 if pixel == "#" else -1.0 for pixel in digit] for digit in digits])
