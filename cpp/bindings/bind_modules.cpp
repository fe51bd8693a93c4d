#include <pybind11/stl.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ebp/base/simd.h"
#include "ebp/nn/activation.h"
#include "ebp/nn/conv.h"
#include "ebp/nn/dense.h"
#include "ebp/nn/loss.h"
#include "ebp/nn/pool.h"
#include "ebp/nn/rbf.h"
#include "ebp/nn/subsample.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;

template <class T>
Array<T> zeros(Index size) {
  Array<T> array(size);
  std::fill_n(array.mutable_data(), size, T(0));
  return array;
}

// Checks the arrays of a pass: vectors like theta, rows of inputs, rows of outputs. Returns the number of
// rows.
template <class T>
Index checked(const Module<T>& module, const char* function, std::initializer_list<const Array<T>*> thetas,
              std::initializer_list<const Array<T>*> inputs, std::initializer_list<const Array<T>*> outputs) {
  for (const Array<T>* theta : thetas) require_size(*theta, module.n_parameters(), function, "theta");
  Index n = -1;
  for (const Array<T>* rows : inputs) n = require_rows(*rows, n, module.n_inputs(), function, "x");
  for (const Array<T>* rows : outputs) n = require_rows(*rows, n, module.n_outputs(), function, "gy");
  return n;
}

// The five passes of any module, on arrays. Sums over rows are returned as new arrays.
template <class T>
void bind_module(py::module_& m, const std::string& suffix) {
  using M = Module<T>;
  using A = Array<T>;
  py::class_<M, std::shared_ptr<M>>(m, ("Module" + suffix).c_str())
      .def_property_readonly("n_inputs", &M::n_inputs)
      .def_property_readonly("n_outputs", &M::n_outputs)
      .def_property_readonly("n_parameters", &M::n_parameters)
      .def(
          "forward",
          [](const M& module, const A& theta, const A& x) {
            const Index n = checked(module, "forward", {&theta}, {&x}, {});
            A y({n, module.n_outputs()});
            module.forward(n, theta.data(), x.data(), y.mutable_data());
            return y;
          },
          "theta"_a.noconvert(), "x"_a.noconvert())
      .def(
          "backward",
          [](const M& module, const A& theta, const A& x, const A& gy) {
            const Index n = checked(module, "backward", {&theta}, {&x}, {&gy});
            A gx({n, module.n_inputs()}), gtheta = zeros<T>(module.n_parameters());
            module.backward(n, theta.data(), x.data(), gy.data(), gx.mutable_data(), gtheta.mutable_data());
            return py::make_tuple(gx, gtheta);
          },
          "theta"_a.noconvert(), "x"_a.noconvert(), "gy"_a.noconvert())
      .def(
          "backward_curvature",
          [](const M& module, const A& theta, const A& x, const A& hy) {
            const Index n = checked(module, "backward_curvature", {&theta}, {&x}, {&hy});
            A hx({n, module.n_inputs()}), htheta = zeros<T>(module.n_parameters());
            module.backward_curvature(n, theta.data(), x.data(), hy.data(), hx.mutable_data(),
                                      htheta.mutable_data());
            return py::make_tuple(hx, htheta);
          },
          "theta"_a.noconvert(), "x"_a.noconvert(), "hy"_a.noconvert())
      .def(
          "forward_tangent",
          [](const M& module, const A& theta, const A& dtheta, const A& x, const A& dx) {
            const Index n = checked(module, "forward_tangent", {&theta, &dtheta}, {&x, &dx}, {});
            A dy({n, module.n_outputs()});
            module.forward_tangent(n, theta.data(), dtheta.data(), x.data(), dx.data(), dy.mutable_data());
            return dy;
          },
          "theta"_a.noconvert(), "dtheta"_a.noconvert(), "x"_a.noconvert(), "dx"_a.noconvert())
      .def(
          "backward_tangent",
          [](const M& module, const A& theta, const A& dtheta, const A& x, const A& dx, const A& gy,
             const A& dgy) {
            const Index n = checked(module, "backward_tangent", {&theta, &dtheta}, {&x, &dx}, {&gy, &dgy});
            A dgx({n, module.n_inputs()}), dgtheta = zeros<T>(module.n_parameters());
            module.backward_tangent(n, theta.data(), dtheta.data(), x.data(), dx.data(), gy.data(),
                                    dgy.data(), dgx.mutable_data(), dgtheta.mutable_data());
            return py::make_tuple(dgx, dgtheta);
          },
          "theta"_a.noconvert(), "dtheta"_a.noconvert(), "x"_a.noconvert(), "dx"_a.noconvert(),
          "gy"_a.noconvert(), "dgy"_a.noconvert());
  py::class_<Dense<T>, M, std::shared_ptr<Dense<T>>>(m, ("Dense" + suffix).c_str())
      .def(py::init<Index, Index, bool>(), "n_inputs"_a, "n_outputs"_a, "bias"_a = true);
  py::class_<Activation<T>, M, std::shared_ptr<Activation<T>>>(m, ("Activation" + suffix).c_str())
      .def(py::init([](Index width, const std::string& name, double twist) {
             return std::make_shared<Activation<T>>(width, function_from_name(name), twist);
           }),
           "width"_a, "name"_a, "twist"_a = 0.0);
  py::class_<Conv2D<T>, M, std::shared_ptr<Conv2D<T>>>(m, ("Conv2D" + suffix).c_str())
      .def(py::init([](Index maps_in, Index height, Index width, Index maps_out, Index kernel_height,
                       Index kernel_width, Index stride, const std::string& padding,
                       std::vector<std::vector<Index>> sources, bool bias) {
             ConvShape shape(maps_in, height, width, maps_out, kernel_height, kernel_width, stride,
                             padding_from_name(padding), std::move(sources));
             return std::make_shared<Conv2D<T>>(std::move(shape), bias);
           }),
           "maps_in"_a, "height"_a, "width"_a, "maps_out"_a, "kernel_height"_a, "kernel_width"_a, "stride"_a,
           "padding"_a, "sources"_a, "bias"_a = true);
  py::class_<WindowSum2D<T>, M, std::shared_ptr<WindowSum2D<T>>>(m, ("WindowSum2D" + suffix).c_str())
      .def(py::init([](Index maps, Index height, Index width, Index size, double factor) {
             return std::make_shared<WindowSum2D<T>>(WindowGrid(maps, height, width, size, "WindowSum2D"),
                                                     factor);
           }),
           "maps"_a, "height"_a, "width"_a, "size"_a, "factor"_a = 1.0);
  py::class_<MapScale<T>, M, std::shared_ptr<MapScale<T>>>(m, ("MapScale" + suffix).c_str())
      .def(py::init<Index, Index, Index>(), "maps"_a, "units"_a, "fan_in"_a);
  py::class_<MaxPool2D<T>, M, std::shared_ptr<MaxPool2D<T>>>(m, ("MaxPool2D" + suffix).c_str())
      .def(py::init([](Index maps, Index height, Index width, Index size) {
             return std::make_shared<MaxPool2D<T>>(WindowGrid(maps, height, width, size, "MaxPool2D"));
           }),
           "maps"_a, "height"_a, "width"_a, "size"_a);
  py::class_<GaussianRBF<T>, M, std::shared_ptr<GaussianRBF<T>>>(m, ("GaussianRBF" + suffix).c_str())
      .def(py::init<Index, Index>(), "n_inputs"_a, "n_outputs"_a);
  py::class_<EuclideanRBF<T>, M, std::shared_ptr<EuclideanRBF<T>>>(m, ("EuclideanRBF" + suffix).c_str())
      .def(py::init<Index, Index>(), "n_inputs"_a, "n_outputs"_a)
      .def(py::init([](const A& codes) {
             const Index n_inputs = codes.ndim() == 2 ? codes.shape(1) : 0;
             require_rows(codes, -1, n_inputs, "EuclideanRBF", "codes");
             return std::make_shared<EuclideanRBF<T>>(
                 n_inputs, std::vector<T>(codes.data(), codes.data() + codes.size()));
           }),
           "codes"_a);
}

// Calls body(k, row of o, row of t, row number) for every row of o (n, k) and t (n, k).
template <class T, class Body>
void for_rows(const Array<T>& o, const Array<T>& t, Body&& body) {
  const Index k = o.ndim() == 2 ? o.shape(1) : 0;
  const Index n = require_rows(o, -1, k, "Loss", "o");
  require(k >= 1, "Loss", "there must be at least one output", k);
  require_rows(t, n, k, "Loss", "t");
  for (Index row = 0; row < n; ++row) body(k, o.data() + row * k, t.data() + row * k, row);
}

template <class T>
void bind_loss(py::module_& m, const std::string& suffix) {
  using L = Loss<T>;
  using A = Array<T>;
  py::class_<L, std::shared_ptr<L>>(m, ("Loss" + suffix).c_str())
      .def(py::init([](const std::string& name, double delta, double j, bool exact_curvature) {
             return std::shared_ptr<L>(make_loss<T>(name, {delta, j, exact_curvature}));
           }),
           "name"_a, py::kw_only(), "delta"_a = 1.0, "j"_a = 1.0, "exact_curvature"_a = false)
      .def(
          "value",
          [](const L& loss, const A& o, const A& t) {
            Array<T> values(o.shape(0));
            T* to = values.mutable_data();
            for_rows<T>(o, t,
                        [&](Index k, const T* a, const T* b, Index row) { to[row] = loss.value(k, a, b); });
            return values;
          },
          "o"_a, "t"_a)
      .def(
          "gradient",
          [](const L& loss, const A& o, const A& t) {
            A g({o.shape(0), o.shape(1)});
            T* to = g.mutable_data();
            std::vector<T> whole_packs;
            for_rows<T>(o, t, [&](Index k, const T* a, const T* b, Index row) {
              whole_packs.resize(std::size_t(simd::padded<T>(k)));
              loss.gradient(k, a, b, whole_packs.data());
              std::copy_n(whole_packs.data(), k, to + row * k);
            });
            return g;
          },
          "o"_a, "t"_a)
      .def(
          "curvature",
          [](const L& loss, const A& o, const A& t) {
            A h({o.shape(0), o.shape(1)});
            T* to = h.mutable_data();
            for_rows<T>(o, t, [&](Index k, const T* a, const T* b, Index row) {
              loss.curvature(k, a, b, to + row * k);
            });
            return h;
          },
          "o"_a, "t"_a)
      .def(
          "curvature_product",
          [](const L& loss, const A& o, const A& t, const A& v) {
            require_rows(v, o.shape(0), o.shape(1), "Loss", "v");
            A hv({o.shape(0), o.shape(1)});
            T* to = hv.mutable_data();
            const T* from = v.data();
            for_rows<T>(o, t, [&](Index k, const T* a, const T* b, Index row) {
              loss.curvature_product(k, a, b, from + row * k, to + row * k);
            });
            return hv;
          },
          "o"_a, "t"_a, "v"_a);
}

}  // namespace

void bind_modules(py::module_& m) {
  bind_module<float>(m, "32");
  bind_module<double>(m, "64");
  bind_loss<float>(m, "32");
  bind_loss<double>(m, "64");
}

}  // namespace ebp::bindings
