"""Update rules: what online training does with the gradient of one sample. Sections 4.7 and 9.1.

A rule keeps what it learns about a network's parameters (velocity, curvature) from call to call, and so
belongs to the first network that it trains. Of its settings only `learning_rate` may be changed, between
calls or by a callback; a schedule changes it from one presentation to the next.
"""

from ebp.rules._adaptive import AdaGrad, Adam, DeltaBarDelta, RMSProp, Rprop
from ebp.rules._base import Rule
from ebp.rules._murata import Murata
from ebp.rules._sdlm import SDLM
from ebp.rules._sgd import SGD

__all__ = ["SDLM", "SGD", "AdaGrad", "Adam", "DeltaBarDelta", "Murata", "RMSProp", "Rprop", "Rule"]
