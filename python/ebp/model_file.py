"""Model files: networks, estimators and normalisers on disk, as data and never as code.

A model file is a `safetensors <https://github.com/huggingface/safetensors>`_ container: eight bytes with the
length of a JSON header, the header, and the arrays. It holds no pickle, so that reading one from a stranger
runs nothing, and any safetensors reader opens it without ``ebp``. The header's ``__metadata__`` has the keys

``format``
    always ``"ebp"``
``format_version``
    ``"1"``; a reader refuses a number greater than its own
``ebp_version``
    the version of the package that wrote the file
``kind``
    ``"Network"``, ``"InputNormalizer"``, ``"MLPClassifier"``, ``"MLPRegressor"``, ``"NetworkClassifier"``,
    ``"NetworkRegressor"`` or the name of a rule, such as ``"SGD"``
``model``
    JSON text that describes the object, see below
``notes``
    JSON text of what the caller of `save` gave to be kept beside the object (the columns of a table, say)
``sha256``
    digest of all other entries and of the arrays: a damaged file is found out before it predicts

In ``model``, numbers, texts, booleans, nulls and lists stand for themselves. Everything else is a JSON object
with a ``kind``:

- ``{"kind": "tensor", "name": N}``: the array stored under the name N, which is its path in the object
  (``network_.theta``, ``normalizer_.mean_``, ``loss_curve_``); each is named once;
- ``{"kind": "array", "dtype": D, "shape": S, "values": [...]}``: an array of texts or of mixed labels;
- ``floats``: ``values`` is a tensor that stands for a list of numbers, such as a loss curve;
- ``tuple`` and ``dict``: ``values`` is a list, for a dict of ``[key, value]`` pairs;
- ``float``: ``value`` is ``"nan"``, ``"inf"`` or ``"-inf"``, which JSON has no numbers for;
- ``generator``: ``bit_generator`` and ``state`` of a NumPy random generator;
- ``Network``: ``input_shape``, ``loss`` (a name, or an object ``MAP`` or ``Huber``), ``dtype``, ``layers``
  (one object with its parameters each, of the class names in `ebp.layers`),
  ``theta`` and ``parameter_slices``, a list of ``[name, start, stop, shape]``: which part of theta is what;
- layers, losses, schedules, ``Emphasize``, ``InputNormalizer``, the estimators and ``FrozenEstimator`` (a
  normaliser that stays as it is): ``params``, what the constructor got, and ``state``, what training added:
  classes, loss curves, statistics, the network;
- ``Moments``, the running statistics of a normaliser: ``state`` alone;
- rules: ``params``, and as ``state`` what they remember (velocities, curvature, running averages, the number
  of presentations), so that training goes on as if it had not been interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from . import rules
from ._files import write_atomically
from ._model_json import Decoder, Encoder, classes

__all__ = ["load", "read_notes", "save"]

FORMAT_VERSION = 1

_MODELS = (
    "InputNormalizer",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "NetworkClassifier",
    "NetworkRegressor",
)


def save(obj: Any, path: str | os.PathLike[str], *, notes: dict[str, Any] | None = None) -> None:
    """Write a network, an estimator, a normaliser or a rule to a model file.

    The file appears under its name only when it is complete: a crash leaves the old file, or none.

    Parameters
    ----------
    obj : Network, InputNormalizer, one of the estimators or of the rules
        What to keep, fitted or not. A rule's file has what it remembers of the network it has trained: both
        together, loaded again, train on with the same bits. Two constructor parameters are not data and come
        back as their defaults: ``callbacks``, and a ``random_state`` that is a generator, not a number.
    path : str or path-like
        Name of the file; an existing file is replaced. The usual suffix is ``.safetensors``.
    notes : dict, optional
        Anything that JSON can say, kept beside the object and given back by `read_notes`.

    Raises
    ------
    TypeError
        If `obj` is of another class (subclasses too, as the file could not bring them back), or holds
        something that the file cannot hold.

    Examples
    --------
    >>> import os, tempfile
    >>> import ebp
    >>> from ebp import model_file
    >>> net = ebp.Network([ebp.layers.Dense(3), ebp.layers.Dense(1)], 2, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.safetensors")
    ...     model_file.save(net, path)
    ...     bool((ebp.load(path).parameters == net.parameters).all())
    True
    """
    kind = type(obj).__name__
    kinds = *_MODELS, *(name for name in rules.__all__ if name != "Rule")
    if kind not in kinds or type(obj) is not classes()[kind]:
        raise TypeError(f"[save] obj must be one of {', '.join(kinds)}; got {kind}")
    encoder = Encoder()
    model = json.dumps(encoder.encode(obj, ""), allow_nan=False)
    text = json.dumps(notes if notes is not None else {}, allow_nan=False)
    metadata = {
        "format": "ebp",
        "format_version": str(FORMAT_VERSION),
        "ebp_version": _version(),
        "kind": kind,
        "model": model,
        "notes": text,
    }
    metadata["sha256"] = _digest(metadata, encoder.tensors)
    write_atomically(path, safetensors.numpy.save(encoder.tensors, metadata))


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote.

    The object predicts with the same bits as the one that was saved (on the same machine and instruction-set
    level) and trains on with the same bits: ``partial_fit`` continues from its weights, and with what its
    rule remembers.

    Parameters
    ----------
    path : str or path-like
        Name of a model file.

    Returns
    -------
    Network, InputNormalizer, estimator or rule
        As the file says.

    Raises
    ------
    ValueError
        If the file is no model file, is damaged, or comes from a newer ``ebp``; the message names the file
        and the reason. A missing file raises ``FileNotFoundError``.
    """
    metadata, tensors = _read(path)
    try:
        obj = Decoder(tensors).decode(json.loads(metadata["model"]))
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # whatever the classes say to what a stranger wrote
        raise _bad_file(path, f"the description of the model is not usable ({error})") from error
    if type(obj).__name__ != metadata["kind"]:
        raise _bad_file(path, f"it announces a {metadata['kind']} and holds a {type(obj).__name__}")
    return obj


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the `notes` that were given to `save` with a model.

    Parameters
    ----------
    path : str or path-like
        Name of a model file.

    Returns
    -------
    dict
        Empty if there were none.

    Raises
    ------
    ValueError
        As `load` does.
    """
    metadata, _ = _read(path)
    try:
        notes = json.loads(metadata["notes"])
    except (ValueError, RecursionError) as error:
        raise _bad_file(path, f"its notes are not JSON ({error})") from error
    if not isinstance(notes, dict):
        raise _bad_file(path, "its notes are not a JSON object")
    return notes


def _version() -> str:
    from . import __version__

    return str(__version__)


def _digest(metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(metadata.keys() - {"sha256"}):
        digest.update(f"{key}\0{metadata[key]}\0".encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.name} {array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _bad_file(path: str | os.PathLike[str], reason: str) -> ValueError:
    return ValueError(f"[load] path must name a readable model file; got {os.fspath(path)!r}: {reason}")


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and arrays of a file that is complete, of a known version and undamaged."""
    with open(path, "rb"):  # Missing and unreadable files raise the operating system's own error.
        pass
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != "ebp":
                raise _bad_file(path, "it was not written by ebp")
            _check_version(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, KeyError, TypeError) as error:
        raise _bad_file(path, f"damaged, or no safetensors file ({error})") from error
    missing = {"kind", "model", "notes", "sha256"} - metadata.keys()
    if missing:
        raise _bad_file(path, f"damaged, without {', '.join(sorted(missing))}")
    if _digest(metadata, tensors) != metadata["sha256"]:
        raise _bad_file(path, "damaged, its content does not match its checksum")
    return metadata, tensors


def _check_version(path: str | os.PathLike[str], metadata: dict[str, str]) -> None:
    text = metadata.get("format_version", "")
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise _bad_file(path, f"damaged, its format_version is {text[:20]!r}")
    if int(text) > FORMAT_VERSION:
        writer = metadata.get("ebp_version", "an unknown version")
        known = f"this version of ebp reads formats up to {FORMAT_VERSION}"
        raise _bad_file(path, f"written by ebp {writer} in format {text}, {known}")
