#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/guarded_network.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;

// The modules that a layer consists of.
template <class T>
using Layer = std::vector<std::shared_ptr<Module<T>>>;

template <class T>
std::unique_ptr<GuardedNetwork<T>> make_network(Index n_inputs, const std::vector<Layer<T>>& layers,
                                                std::shared_ptr<const Loss<T>> loss) {
  auto network = std::make_unique<Network<T>>(n_inputs, std::move(loss));
  for (const Layer<T>& layer : layers)
    for (std::size_t m = 0; m < layer.size(); ++m) network->add(layer[m], m + 1 == layer.size());
  return std::make_unique<GuardedNetwork<T>>(std::move(network));
}

// A writable view of theta that keeps its owner alive.
template <class T>
py::array_t<T> parameters(const py::object& self) {
  Network<T>& network = self.cast<GuardedNetwork<T>&>().network();
  return py::array_t<T>({network.n_parameters()}, {Index(sizeof(T))}, network.parameters(), self);
}

template <class T>
std::vector<Array<T>> activations(GuardedNetwork<T>& self, const Array<T>& x) {
  const Index n = require_rows(x, -1, self.network().n_inputs(), "activations", "X");
  std::vector<Array<T>> outputs;
  std::vector<T*> pointers;
  for (const auto& stage : self.network().stages()) {
    if (!stage.ends_layer) continue;
    outputs.emplace_back(std::vector<py::ssize_t>{n, stage.module->n_outputs()});
    pointers.push_back(outputs.back().mutable_data());
  }
  const T* rows = x.data();
  self.read([&](const Network<T>& network) { network.activations(n, rows, pointers); });
  return outputs;
}

// Sums over rows of gradients or of diagonal second derivatives.
template <class T>
Array<T> summed(GuardedNetwork<T>& self, const Batch<T>& batch,
                void (Network<T>::*pass)(Index, const T*, const T*, const T*, T*) const) {
  Array<T> sum(self.network().n_parameters());
  T* to = sum.mutable_data();
  self.read(
      [&](const Network<T>& network) { (network.*pass)(batch.n, batch.x, batch.t, batch.weights, to); });
  return sum;
}

template <class T>
void bind_one(py::module_& m, const char* name) {
  using N = GuardedNetwork<T>;
  using A = Array<T>;
  using Weights = std::optional<A>;
  py::class_<N>(m, name)
      .def(py::init(&make_network<T>), "n_inputs"_a, "layers"_a, "loss"_a)
      .def_property_readonly("n_inputs", [](N& self) { return self.network().n_inputs(); })
      .def_property_readonly("n_outputs", [](N& self) { return self.network().n_outputs(); })
      .def_property_readonly("n_parameters", [](N& self) { return self.network().n_parameters(); })
      .def_property_readonly("parameters", [](const py::object& self) { return parameters<T>(self); })
      .def("parameter_blocks",
           [](N& self) {
             std::vector<
                 std::tuple<std::string, Index, std::vector<Index>, std::vector<Index>, std::vector<Index>>>
                 blocks;
             for (const ParameterBlock& block : self.network().parameter_blocks())
               blocks.emplace_back(block.name, block.start, block.shape, block.unit_sizes, block.fan_ins);
             return blocks;
           })
      .def(
          "forward",
          [](N& self, const A& x) {
            const Index n = require_rows(x, -1, self.network().n_inputs(), "forward", "X");
            A y({n, self.network().n_outputs()});
            const T* rows = x.data();
            T* outputs = y.mutable_data();
            self.read([&](const Network<T>& network) { network.forward(n, rows, outputs); });
            return y;
          },
          py::arg("x").noconvert())
      .def(
          "predict_one",
          [](N& self, const py::object& x) {
            const auto inputs = values_of<T>(x, self.network().n_inputs(), "predict_one", "x");
            A y(self.network().n_outputs());
            self.predict_one(inputs.data(), y.mutable_data());
            return y;
          },
          "x"_a)
      .def("activations", &activations<T>, py::arg("x").noconvert())
      .def(
          "losses",
          [](N& self, const A& x, const A& t) {
            const Batch<T> batch = batch_of<T>(self, x, t, std::nullopt, "losses");
            A losses(batch.n);
            T* to = losses.mutable_data();
            self.read([&](const Network<T>& network) { network.losses(batch.n, batch.x, batch.t, to); });
            return losses;
          },
          py::arg("x").noconvert(), py::arg("t").noconvert())
      .def(
          "gradient",
          [](N& self, const A& x, const A& t, const Weights& weights) {
            return summed<T>(self, batch_of(self, x, t, weights, "gradient"), &Network<T>::gradient);
          },
          py::arg("x").noconvert(), py::arg("t").noconvert(), py::arg("weights").noconvert() = py::none(),
          "The sum over rows.")
      .def(
          "curvature",
          [](N& self, const A& x, const A& t, const Weights& weights) {
            return summed<T>(self, batch_of(self, x, t, weights, "curvature"), &Network<T>::curvature);
          },
          py::arg("x").noconvert(), py::arg("t").noconvert(), py::arg("weights").noconvert() = py::none(),
          "The sum over rows.")
      .def(
          "jacobian",
          [](N& self, const A& x) {
            const Index n = require_rows(x, -1, self.network().n_inputs(), "jacobian", "X");
            A j({n, self.network().n_outputs(), self.network().n_parameters()});
            const T* rows = x.data();
            T* to = j.mutable_data();
            self.read([&](const Network<T>& network) { network.jacobian(n, rows, to); });
            return j;
          },
          py::arg("x").noconvert());
}

}  // namespace

void bind_nn(py::module_& m) {
  bind_one<float>(m, "Network32");
  bind_one<double>(m, "Network64");
}

}  // namespace ebp::bindings
