#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/guarded_network.h"
#include "ebp/curvature/hessian.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;

template <class T>
using Weights = std::optional<Array<T>>;

Hessian kind_of(const std::string& method) {
  static const std::map<std::string, Hessian> kinds{{"exact", Hessian::kExact},
                                                    {"gauss_newton", Hessian::kGaussNewton}};
  return kinds.at(method);
}

// The sum of the losses and its gradient.
template <class T>
py::tuple bound_loss_and_gradient(GuardedNetwork<T>& guarded, const Array<T>& x, const Array<T>& t,
                                  const Weights<T>& weights, Index n_threads) {
  const Batch<T> batch = batch_of(guarded, x, t, weights, "loss_and_gradient");
  Array<T> gradient(guarded.network().n_parameters());
  T* to = gradient.mutable_data();
  double loss = 0;
  guarded.read([&](const Network<T>& network) {
    loss = loss_and_gradient(network, network.parameters(), batch, n_threads, to);
  });
  return py::make_tuple(loss, gradient);
}

template <class T>
Array<T> bound_hessian(GuardedNetwork<T>& guarded, const Array<T>& x, const Array<T>& t,
                       const Weights<T>& weights, const std::string& method, Index n_threads) {
  const Batch<T> batch = batch_of(guarded, x, t, weights, "hessian");
  const Index p = guarded.network().n_parameters();
  Array<T> h({p, p});
  T* to = h.mutable_data();
  guarded.read([&](const Network<T>& network) {
    hessian(network, network.parameters(), batch, kind_of(method), n_threads, to);
  });
  return h;
}

template <class T>
Array<T> bound_hessian_diagonal(GuardedNetwork<T>& guarded, const Array<T>& x, const Array<T>& t,
                                const Weights<T>& weights, const std::string& method, Index n_threads) {
  const Batch<T> batch = batch_of(guarded, x, t, weights, "hessian_diagonal");
  Array<T> h(guarded.network().n_parameters());
  T* to = h.mutable_data();
  guarded.read([&](const Network<T>& network) {
    if (method == "backprop")
      backpropagated_diagonal(network, network.parameters(), batch, n_threads, to);
    else
      hessian_diagonal(network, network.parameters(), batch, kind_of(method), n_threads, to);
  });
  return h;
}

// Products at the point where the network stood; keeps network and data alive.
template <class T>
class BoundHessianProduct {
 public:
  BoundHessianProduct(py::object network, Array<T> x, Array<T> t, Weights<T> weights,
                      const std::string& method, Index n_threads)
      : owner_(std::move(network)), x_(std::move(x)), t_(std::move(t)), weights_(std::move(weights)) {
    auto& guarded = owner_.cast<GuardedNetwork<T>&>();
    const Batch<T> batch = batch_of(guarded, x_, t_, weights_, "hessian_operator");
    n_parameters_ = guarded.network().n_parameters();
    guarded.read([&](const Network<T>& at) {
      product_ = std::make_unique<HessianProduct<T>>(at, at.parameters(), batch, kind_of(method), n_threads);
    });
  }

  Array<T> apply(const Array<T>& v) const {
    require_size(v, n_parameters_, "hessian_vector_product", "v");
    Array<T> product(n_parameters_);
    const T* from = v.data();
    T* to = product.mutable_data();
    py::gil_scoped_release release;  // without the network's lock: the parameters were copied
    product_->apply(from, to);
    return product;
  }

 private:
  py::object owner_;
  Array<T> x_, t_;
  Weights<T> weights_;
  Index n_parameters_ = 0;
  std::unique_ptr<const HessianProduct<T>> product_;
};

template <class T>
void bind_one(py::module_& m, const char* product_name) {
  const auto def = [&](const char* name, auto function) {
    m.def(name, function, "network"_a, py::arg("x").noconvert(), py::arg("t").noconvert(),
          py::arg("weights").noconvert(), "method"_a, "n_threads"_a);
  };
  def("hessian", &bound_hessian<T>);
  def("hessian_diagonal", &bound_hessian_diagonal<T>);
  m.def("loss_and_gradient", &bound_loss_and_gradient<T>, "network"_a, py::arg("x").noconvert(),
        py::arg("t").noconvert(), py::arg("weights").noconvert(), "n_threads"_a);
  py::class_<BoundHessianProduct<T>>(m, product_name)
      .def(py::init<py::object, Array<T>, Array<T>, Weights<T>, const std::string&, Index>(), "network"_a,
           py::arg("x").noconvert(), py::arg("t").noconvert(), py::arg("weights").noconvert(), "method"_a,
           "n_threads"_a)
      .def("apply", &BoundHessianProduct<T>::apply, py::arg("v").noconvert());
}

}  // namespace

void bind_curvature(py::module_& m) {
  bind_one<float>(m, "HessianProduct32");
  bind_one<double>(m, "HessianProduct64");
}

}  // namespace ebp::bindings
