"""Samples of large error presented more often (S4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ebp._checks import check_number

from .orders import as_generator, interleave


@dataclass(frozen=True)
class Emphasize:
    """Present samples of large error more often (S4.2).

    The probability of a sample is p_i ∝ clip(err_i / mean(err), floor, cap), where err_i is its running
    error: an exponential average of its loss over its presentations. That helps with rare classes, changes
    what is minimised, unless `corrected`, and is disastrous with outliers, whose error stays large whatever
    is learnt. Two limits keep these from taking over. No sample is presented more than cap / floor times as
    often as another one. And samples whose running errors have stayed among the largest for `patience` epochs
    in a row are set back to 1 / n, the probability of every sample without emphasising: so they count as
    much as they do in the data. The mean of the errors leaves them out. A sample that falls out of the
    highest rank gets its emphasis back.

    Parameters
    ----------
    floor : float, default=0.25
        Least relative error that counts, in (0, 1]: what has been learnt is still presented, and not
        forgotten.
    cap : float, default=4.0
        Largest relative error that counts, finite and at least 1.
    leak : float, default=0.5
        Share in (0, 1] of the latest loss in the running error.
    outliers : float, default=0.02
        Fraction of the samples, in [0, 0.5), that is the highest rank: more than the wrong labels, less than
        a rare class that matters. 0 sets no sample back.
    patience : int, default=5
        Epochs after which a sample that stays in the highest rank is set back.
    corrected : bool, default=False
        Multiply losses by 1 / (n p_i), so that the expected gradient is that of the plain mean over all
        samples: emphasising then changes the noise of the gradient and not what is minimised. Some updates
        become up to (1 + floor) / floor times as large.

    Raises
    ------
    ValueError
        For values out of range.

    Notes
    -----
    `probabilities` is the formula alone. `sampler` makes an object that keeps the running errors; estimators
    make theirs with ``sampling="emphasize"`` or ``sampling=Emphasize(...)``.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> emphasize = ebp.sampling.Emphasize(floor=0.5, cap=2.0)
    >>> emphasize.probabilities([0.0, 1.5, 4.5, 0.0]) * 16
    array([2., 4., 8., 2.])

    Training with it:

    >>> X, y = ebp.datasets.load_digits()
    >>> T = np.where(y[:, None] == np.arange(10), 1.0, -1.0)
    >>> net = ebp.Network([ebp.layers.Dense(30), ebp.layers.Dense(10)], 64, random_state=0)
    >>> rule, rng = ebp.rules.SDLM(2e-3), np.random.default_rng(0)
    >>> sampler = emphasize.sampler(len(X))
    >>> for _ in range(5):
    ...     order = sampler.order(rng)
    ...     weights = sampler.sample_weight
    ...     result = net.train_online(X / 8 - 1, T, rule, order=order, sample_weight=weights)
    ...     sampler.observe(order, result.losses)
    >>> bool(np.mean(net.forward(X / 8 - 1).argmax(axis=1) == y) > 0.95)
    True
    """

    floor: float = 0.25
    cap: float = 4.0
    leak: float = field(default=0.5, kw_only=True)
    outliers: float = field(default=0.02, kw_only=True)
    patience: int = field(default=5, kw_only=True)
    corrected: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_number("Emphasize", "floor", self.floor, 0, 1, open_low=True)
        check_number("Emphasize", "cap", self.cap, 1)
        check_number("Emphasize", "leak", self.leak, 0, 1, open_low=True)
        check_number("Emphasize", "outliers", self.outliers, 0, 0.5, open_high=True)
        check_number("Emphasize", "patience", self.patience, 1, integer=True)
        if not isinstance(self.corrected, (bool, np.bool_)):
            raise ValueError(f"[Emphasize] corrected must be True or False; got {self.corrected!r}")

    def probabilities(self, losses: Any) -> np.ndarray:
        """Probability of each sample by its error, without regard to outliers.

        Parameters
        ----------
        losses : array-like of shape (n,)
            Not negative; at least one. If all are 0 the probabilities are equal.

        Returns
        -------
        probabilities : ndarray of shape (n,)
            Their sum is 1.

        Raises
        ------
        ValueError
            For losses that are negative, not finite or not 1-D.
        """
        errors = _checked_losses(losses, "Emphasize.probabilities")
        if not len(errors):
            raise ValueError("[Emphasize.probabilities] there must be at least one loss; got none")
        emphasis = self._emphasis(errors, np.ones(len(errors)), np.zeros(len(errors), bool))
        return emphasis / emphasis.sum()

    def sampler(self, n: int, repeats: Any = None) -> EmphasizedSampler:
        """An object that draws orders of `n` samples and keeps their running errors.

        Parameters
        ----------
        n : int
            Number of samples, at least 1.
        repeats : array-like of int, shape (n,), default=None
            How often each sample is presented in an epoch without emphasising, at least once; None: once.
            Emphasising multiplies this.

        Returns
        -------
        EmphasizedSampler

        Raises
        ------
        ValueError
            If `n` or one of `repeats` is less than 1, or `repeats` has another shape.
        """
        return EmphasizedSampler(self, n, repeats)

    def _emphasis(self, errors: np.ndarray, repeats: np.ndarray, set_back: np.ndarray) -> np.ndarray:
        """What p_i is proportional to, for repeats of 1; NaN errors, not known yet, count as the mean."""
        counted = ~set_back & ~np.isnan(errors)
        relative = np.ones(len(errors))
        largest = errors[counted].max(initial=0.0)
        if largest > 0:
            scaled = errors[counted] / largest  # so that no sum overflows
            relative[counted] = scaled / np.average(scaled, weights=repeats[counted])
        emphasis = np.clip(relative, self.floor, self.cap)
        if set_back.any():
            emphasis[set_back] = np.average(emphasis[~set_back], weights=repeats[~set_back])
        return emphasis


class EmphasizedSampler:
    """Draws the orders of `Emphasize`; made by `Emphasize.sampler`.

    Attributes
    ----------
    errors : ndarray of shape (n,)
        Running errors; NaN before the first presentation.
    set_back : ndarray of shape (n,), bool
        Samples that count as outliers at present.
    """

    def __init__(self, settings: Emphasize, n: int, repeats: Any = None) -> None:
        check_number("Emphasize.sampler", "n", n, 1, integer=True)
        times = np.ones(n) if repeats is None else np.asarray(repeats, np.float64)
        if times.shape != (n,) or (times < 1).any() or (times != np.floor(times)).any():
            raise ValueError(
                f"[Emphasize.sampler] repeats must be {n} integers >= 1, one a sample; got {repeats!r}"
            )
        self.settings = settings
        self.errors = np.full(n, np.nan)
        self.set_back = np.zeros(n, bool)
        self._repeats = times
        self._stays = np.zeros(n, np.intp)  # epochs in a row in the highest rank

    @property
    def expected(self) -> np.ndarray:
        """Expected presentations of each sample in the next order, n p_i: as many in all as without it."""
        emphasis = self.settings._emphasis(self.errors, self._repeats, self.set_back) * self._repeats
        return emphasis * (self._repeats.sum() / emphasis.sum())

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each sample at the next presentation, (n,)."""
        return self.expected / self._repeats.sum()

    @property
    def correction(self) -> np.ndarray:
        """Weights 1 / (n p_i), (n,), that make up for the emphasis, as means of the next order need it."""
        return self._repeats / self.expected

    @property
    def sample_weight(self) -> np.ndarray | None:
        """The `correction` for `Network.train_online`, or None unless the settings say `corrected`."""
        return self.correction if self.settings.corrected else None

    def order(self, rng: np.random.Generator | int | None = None) -> np.ndarray:
        """Order of the next epoch.

        A systematic draw: each sample comes up as often as expected, to within less than one presentation.
        Repeats of a sample are spread evenly over the order, and it is random otherwise. The first order
        presents each sample once.

        Parameters
        ----------
        rng : Generator, int or None, default=None
            Source of randomness: a Generator is used as it is, an int is a seed, None takes fresh entropy.

        Returns
        -------
        order : ndarray of shape (n,), dtype intp
            Or as long as the sum of `repeats`.
        """
        generator = as_generator(rng, "EmphasizedSampler.order")
        n, n_drawn = len(self.errors), int(self._repeats.sum())
        samples = generator.permutation(n)
        ends = np.cumsum(self.expected[samples])
        points = generator.random() + np.arange(n_drawn)
        drawn = samples[np.minimum(np.searchsorted(ends, points, side="right"), n - 1)]
        return drawn[interleave(drawn, generator)]

    def observe(self, order: Any, losses: Any) -> None:
        """Take in the losses of the presentations of an epoch.

        Parameters
        ----------
        order : array-like of int
            Samples in the order in which they were presented.
        losses : array-like of the same length
            As `OnlineResult.losses` has them: times `sample_weight`, where that is not None. Call `observe`
            once an epoch.

        Raises
        ------
        ValueError
            For losses that are negative, not finite, or not as many as presentations, or unknown samples.
        """
        values = _checked_losses(losses, "EmphasizedSampler.observe")
        rows = np.asarray(order, np.intp)
        if rows.shape != values.shape:
            raise ValueError(
                f"[EmphasizedSampler.observe] losses must be {rows.size}, one a presentation; "
                f"got {values.size}"
            )
        outside = rows[(rows < 0) | (rows >= len(self.errors))]
        if len(outside):
            raise ValueError(
                f"[EmphasizedSampler.observe] order must hold samples from 0 to {len(self.errors) - 1}; "
                f"got {outside[0]}"
            )
        if self.settings.corrected:
            values = values / self.correction[rows]
        self._average(rows, values)
        self._rank(rows)

    def _average(self, rows: np.ndarray, losses: np.ndarray) -> None:
        """errors ← (1 − leak) errors + leak · loss for one presentation after the other, in closed form."""
        n, leak = len(self.errors), float(self.settings.leak)
        times = np.bincount(rows, minlength=n)
        by_row = np.argsort(rows, kind="stable")
        rows, losses = rows[by_row], losses[by_row]
        rank = np.arange(len(rows)) - (np.cumsum(times) - times)[rows]
        shares = leak * (1 - leak) ** (times[rows] - 1 - rank)
        unknown = np.isnan(self.errors)
        shares[unknown[rows] & (rank == 0)] /= leak  # the first loss of all is taken whole
        old = np.where(unknown, 0.0, self.errors) * (1 - leak) ** times
        new = old + np.bincount(rows, shares * losses, minlength=n)
        self.errors = np.where(times > 0, new, self.errors)

    def _rank(self, rows: np.ndarray) -> None:
        """Count how long samples have stayed in the highest rank, and set back those that stay there."""
        presented = np.zeros(len(self.errors), bool)
        presented[rows] = True
        descending = np.argsort(-np.nan_to_num(self.errors), kind="stable")
        room = self.settings.outliers * self._repeats.sum()
        highest = np.zeros(len(self.errors), bool)
        highest[descending] = np.cumsum(self._repeats[descending]) <= room
        self._stays = np.where(highest, self._stays + presented, 0)
        self.set_back = self._stays >= self.settings.patience


def _checked_losses(losses: Any, where: str) -> np.ndarray:
    values = np.asarray(losses, np.float64)
    if values.ndim != 1:
        raise ValueError(f"[{where}] losses must be 1-D; got shape {values.shape}")
    wrong = values[~((values >= 0) & np.isfinite(values))]
    if len(wrong):
        raise ValueError(f"[{where}] losses must be finite and not negative; got {wrong[0]}")
    return values
