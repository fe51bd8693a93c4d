"""The C headers take over texts and names of users without harm, and go together in one program."""

from __future__ import annotations

import re
import subprocess

import ebp
import numpy as np
import pytest
from c_headers import STRICT, compile_headers, compiler_of
from ebp.layers import Conv2D, Dense, GaussianRBF, Subsample2D

HOSTILE = [
    "*\n; int evil(void){return 42;} /*",
    "*\\; int evil(void) { return 42; } /*",
    "*/ int evil(void) { return 42; } /*",
    "*\\\n/ int evil(void) { return 42; } /*",
    "*??/\n/ int evil(void) { return 42; } /*",
    "*\r\n/\u2028int evil(void) { return 42; }",
    "/*",
    "ends in a backslash\\",
    "ends in ??/",
    '%: <: \x00 \x1b \x7f é \u202e \U0001f600 \' " // _Pragma("GCC error")',
]


class Hostile:
    """A label whose repr says what it likes."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def data(n=40):
    X = np.random.default_rng(0).standard_normal((n, 3))
    return X, X[:, 0] > 0


def classifier(labels=("no", "yes"), **options):
    X, y = data()
    model = ebp.MLPClassifier((4,), max_iter=1, tol=0, random_state=0, **options).fit(X, y)
    model.classes_ = np.array(labels, object)
    return model


def networks():
    return {
        "model": ebp.Network([Dense(5, "relu"), Dense(2)], 3, random_state=0),
        "Model": ebp.Network([GaussianRBF(4), Dense(3)], 3, dtype="float64", random_state=1),
        "model_double": ebp.Network([Dense(4, "logistic"), Dense(2)], 3, dtype="float64", random_state=2),
        "scale_of_model": ebp.Network([Dense(2)], 3, random_state=3),
    }


@pytest.mark.parametrize("language", ["c", "c++"])
@pytest.mark.parametrize("kind", [str, Hostile, str.encode])
@pytest.mark.parametrize("text", HOSTILE)
def test_labels_stay_in_the_comment(tmp_path, text, kind, language):
    code = {}
    for name, labels in (("harmless", ["no", "yes"]), ("hostile", [kind(text), kind("yes")])):
        (tmp_path / name).mkdir()
        header = tmp_path / name / "model.h"
        classifier(labels).export_c(header)
        code[name] = subprocess.run(
            [*compiler_of(language), "-x", language, *STRICT, "-E", "-P", header],
            check=True,
            capture_output=True,
        ).stdout
        source = tmp_path / name / "main.c"
        source.write_text('#include "model.h"\nvoid (*used)(const float *, float *) = predict;\n')
        compiled = [*compiler_of(language), "-x", language, *STRICT, "-c", "-o", tmp_path / name / "main.o"]
        subprocess.run([*compiled, source], check=True)
    assert b"predict" in code["harmless"]
    assert code["hostile"] == code["harmless"]


def test_labels_are_told_apart(tmp_path):
    classifier(["é", "it's, \n<U+00E9>"]).export_c(tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text()
    assert "probabilities of '<U+00E9>', 'it<U+0027>s, <U+000A><U+003C>U+00E9<U+003E>', from x (3)" in text
    classifier([-1.5, True]).export_c(tmp_path / "model.h")
    assert "probabilities of -1.5, True, from x (3)" in (tmp_path / "model.h").read_text()


@pytest.mark.parametrize("language", ["c", "c++"])
def test_several_models_in_one_program(tmp_path, language):
    models, X = networks(), data()[0]
    runs = compile_headers(tmp_path, models, language)
    for name, network in models.items():
        rows = X.astype(network.dtype)
        np.testing.assert_allclose(runs[name](rows), network.forward(rows), rtol=1e-5, atol=1e-5)


def test_estimators_of_both_types_in_one_program(tmp_path):
    models = {"model": classifier(), "model_double": classifier(dtype="float64"), "model_2": classifier()}
    X = data()[0].astype("float32")
    runs = compile_headers(tmp_path, models)
    for name, model in models.items():
        np.testing.assert_allclose(runs[name](X), model.predict_proba(X), atol=1e-5)


def refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=rf"^\[export_c\] name must {message}.*; got {name!r}$"):
        networks()["model"].export_c(tmp_path / "model.h", name=name)
    assert not (tmp_path / "model.h").exists()


@pytest.mark.parametrize("name", ["1st", "a b", "é", "", "_x", "a\n", "a-b", 3, None])
def test_names_that_are_no_identifiers(tmp_path, name):
    message = re.escape(f"[export_c] name must be a C identifier; got {name!r}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        networks()["model"].export_c(tmp_path / "model.h", name=name)


@pytest.mark.parametrize("name", ["int", "double", "restrict", "class", "tanh", "expf", "y0", "main", "M_PI"])
def test_names_that_are_taken(tmp_path, name):
    refused(tmp_path, name, "be no keyword of C or C")


@pytest.mark.parametrize(
    "name", ["ebp_x", "EBP_header", "ebp_affine_of_model", "model_INPUTS", "model_OUTPUTS"]
)
def test_names_that_headers_use(tmp_path, name):
    refused(tmp_path, name, "not begin with ebp_")


@pytest.mark.parametrize("options", [["-std=c99"], ["-std=gnu17"]])
def test_all_names_of_the_mathematics_are_taken(tmp_path, options):
    def read(*arguments):
        command = [compiler_of()[0], *options, "-E", *arguments, "-"]
        return subprocess.run(
            command, input="#include <math.h>\n", check=True, capture_output=True, text=True
        ).stdout

    names = set(re.findall(r"\b([A-Za-z]\w*) *\(", read("-P")))
    names |= set(re.findall(r"^#define ([A-Za-z]\w*)", read("-dM"), re.MULTILINE))
    assert {"tanh", "expf", "NAN"} <= names
    for name in names:
        refused(tmp_path, name, "be no keyword of C or C")


@pytest.mark.parametrize("name", ["x", "out", "i", "n", "sum", "steps_a", "f", "predict2", "model_0"])
def test_names_that_the_functions_use_inside_are_free(tmp_path, name):
    network = networks()["Model"]
    X = data()[0]
    run = compile_headers(tmp_path, {name: network})[name]
    np.testing.assert_allclose(run(X), network.forward(X), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: ebp.Network([Conv2D(4, 3), Subsample2D(2), Dense(2)], (1, 8, 8), dtype=dtype),
        lambda dtype: classifier(dtype=dtype),
        lambda dtype: classifier(dtype=dtype, normalize="decorrelate"),
        lambda dtype: ebp.MLPRegressor((7,), max_iter=1, dtype=dtype, normalize=None).fit(*data()),
    ],
)
def test_the_comment_counts_the_arrays_on_the_stack(tmp_path, make, dtype):
    model = make(dtype)
    model.export_c(tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text()
    body = text[text.rindex("static void predict(const") :]
    sizes = {"float": 4, "double": 8}
    arrays = [
        sizes[real] * int(length)
        for real, declared in re.findall(r"^ +(float|double) (\w+\[.*);$", body, re.MULTILINE)
        for length in re.findall(r"\w+\[(\d+)\]", declared)
    ]
    assert len(arrays) >= 2
    assert f"Its arrays on the stack have {sum(arrays)} bytes. */" in text
