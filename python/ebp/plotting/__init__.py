"""Pictures of training: course, weights, spectrum of the Hessian, the loss over a plane of the weights.

The classes follow scikit-learn's convention for displays: a class method such as `from_network` or
`from_estimator` computes and draws, and returns an object that holds the numbers, with a method `plot` that
draws them again. matplotlib is needed for drawing only: pip install 'efficient-backprop[plot]'.
"""

from .loss_surface import LossSurfaceDisplay
from .spectrum import SpectrumDisplay
from .training_curve import TrainingCurveDisplay
from .weights import WeightsDisplay

__all__ = ["LossSurfaceDisplay", "SpectrumDisplay", "TrainingCurveDisplay", "WeightsDisplay"]
