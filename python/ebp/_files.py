"""What networks and estimators write for later and for others."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted


class Files:
    """The methods of `ebp.Network` and of the estimators, which must be fitted."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, which `ebp.load` reads: a safetensors container, no pickle.

        See `ebp.model_file` for what it holds.

        Parameters
        ----------
        path : str or path
        """
        from . import model_file

        self._check_ready()
        model_file.save(self, path)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write an ONNX file; see `ebp.exchange.to_onnx`.

        Parameters
        ----------
        path : str or path
        """
        from .exchange import to_onnx

        self._check_ready()
        to_onnx(self, path)

    def export_c(self, path: str | os.PathLike[str], *, name: str = "predict") -> None:
        """Write a C header with one function that computes the answers; see `ebp.exchange.export_c`.

        Parameters
        ----------
        path : str or path
        name : str, default="predict"
            Name of the function.
        """
        from .exchange import export_c

        self._check_ready()
        export_c(self, path, name=name)

    def _check_ready(self) -> None:
        if isinstance(self, BaseEstimator):
            check_is_fitted(self)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file that appears under its name only when it is complete."""
    # Behind a symbolic link the file itself is replaced, not the link.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # /dev/null stays what it is
        target.write_bytes(content)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # The caller knows nothing of the temporary file.
            error.filename, error.filename2 = os.fspath(path), None
        raise
