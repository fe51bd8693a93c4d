"""Pictures of training: the spectrum of the Hessian, and the loss over a plane of the weights.

The classes follow scikit-learn's convention for displays: a class method such as `from_network` computes and
draws, and returns an object that holds the numbers, with a method `plot` that draws them again. matplotlib is
needed for drawing only: pip install 'efficient-backprop[plot]'.
"""

from .loss_surface import LossSurfaceDisplay
from .spectrum import SpectrumDisplay

__all__ = ["LossSurfaceDisplay", "SpectrumDisplay"]
