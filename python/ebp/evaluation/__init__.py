"""How well an estimator learns: sample by sample of a stream, and epoch by epoch over many data sets.

`prequential` predicts every sample of a stream before learning from it, which shows how well the estimator
follows a target that moves (section 4.1). `bias_variance` trains on many resampled data sets and splits the
error on held-out samples into bias and variance, one value an epoch: figure 1 of the paper (section 2).
"""

from ebp.evaluation._bias_variance import BiasVarianceResult, ZeroOneDecomposition, bias_variance
from ebp.evaluation._prequential import prequential
from ebp.evaluation._prequential_result import PrequentialResult

__all__ = [
    "BiasVarianceResult",
    "PrequentialResult",
    "ZeroOneDecomposition",
    "bias_variance",
    "prequential",
]
