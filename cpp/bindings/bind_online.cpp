#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/guarded_network.h"
#include "bindings/signals.h"
#include "ebp/online/eigenvalue.h"
#include "ebp/online/trainer.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;

template <class T>
using Optional = std::optional<Array<T>>;

// The samples' arrays, checked against the network.
template <class T>
Samples<T> samples_of(const Network<T>& network, const Array<T>& x, const Array<T>& t,
                      const Optional<T>& weights, const Optional<T>& shift, const Optional<T>& factor) {
  const char* function = "train_online";
  Samples<T> samples{x.data(), network.n_inputs(), t.data(), weights ? weights->data() : nullptr, {}};
  if (shift) {
    require(factor.has_value(), function, "input_transform needs a factor", "none");
    samples.n_features = shift->size();
    samples.transform = {shift->data(), factor->data(), factor->ndim() == 2};
    if (samples.transform.is_matrix)
      require_rows(*factor, network.n_inputs(), samples.n_features, function, "the input_transform's factor");
    else
      require_size(*factor, network.n_inputs(), function, "the input_transform's factor");
    if (!samples.transform.is_matrix)
      require_size(*shift, network.n_inputs(), function, "the input_transform's shift");
  }
  const Index n = require_rows(x, -1, samples.n_features, function, "X");
  require_rows(t, n, network.n_outputs(), function, "T");
  if (weights) require_size(*weights, n, function, "sample_weight");
  return samples;
}

Array<Index> checked_order(const Array<Index>& order, Index n_samples) {
  for (Index k = 0; k < order.size(); ++k)
    require(order.data()[k] >= 0 && order.data()[k] < n_samples, "train_online",
            "order must hold indices of rows of X", order.data()[k]);
  return order;
}

Batches checked_batches(const std::variant<Index, Array<Index>>& batches, Index n) {
  if (const Index* size = std::get_if<Index>(&batches)) {
    require(*size >= 1, "train_online", "batch_size must be at least 1", *size);
    return {*size, nullptr};
  }
  const auto& sizes = std::get<Array<Index>>(batches);
  Index sum = 0;
  for (Index k = 0; k < sizes.size(); ++k) {
    const Index size = sizes.data()[k];
    require(size >= 1 && size <= n - sum, "train_online",
            "the sizes of batches must be at least 1 and add up to the presentations", size);
    sum += size;
  }
  require(sum == n, "train_online", "the sizes of batches must add up to the presentations", sum);
  return {1, sizes.data()};
}

EngineKind engine_of(const std::string& name) {
  if (name == "auto") return EngineKind::kAuto;
  if (name == "streaming") return EngineKind::kStreaming;
  require(name == "blocked", "train_online", "engine must be one of auto, streaming, blocked", name);
  return EngineKind::kBlocked;
}

// Calls the user's callback, whose true result stops the training.
Progress progress_of(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [&callback](Index done, double mean_loss) {
    py::gil_scoped_acquire acquire;
    return !py::bool_(callback(done, mean_loss));
  };
}

// A trainer with the network it belongs to, which it keeps alive.
template <class T>
class BoundTrainer {
 public:
  BoundTrainer(py::object network, const RuleOptions& options)
      : owner_(std::move(network)),
        guarded_(owner_.cast<GuardedNetwork<T>&>()),
        trainer_(guarded_.network(), options) {}

  // `batches` is the size of all, or an array of sizes.
  py::tuple train(const Array<T>& x, const Array<T>& t, const Array<Index>& order,
                  const std::variant<Index, Array<Index>>& batches, const Optional<double>& rates,
                  const Optional<T>& weights, const Optional<T>& shift, const Optional<T>& factor,
                  const std::string& engine, int n_threads, const py::object& callback) {
    const Samples<T> samples = samples_of(guarded_.network(), x, t, weights, shift, factor);
    checked_order(order, x.shape(0));
    const Index *indices = order.data(), n = order.size();
    const Batches checked = checked_batches(batches, n);
    if (rates) require_size(*rates, n, "train_online", "the learning rates");
    const double* epsilons = rates ? rates->data() : nullptr;
    Array<double> losses(order.size());
    double* to = losses.mutable_data();
    const EngineKind kind = engine_of(engine);
    require(n_threads >= 1, "train_online", "n_threads must be at least 1", n_threads);
    Outcome outcome;
    {
      typename GuardedNetwork<T>::Exclusive exclusive(guarded_, "train_online");
      py::gil_scoped_release release;
      outcome = trainer_.train(samples, indices, n, checked, epsilons, to, progress_of(callback), Signals(),
                               kind, n_threads);
    }
    losses.resize({outcome.n_samples});
    return py::make_tuple(losses, outcome.n_samples, name_of(outcome.status));
  }

  // "streaming" or "blocked", what `train` makes of the name.
  const char* engine(const std::string& name) const {
    return trainer_.chosen(engine_of(name)) == EngineKind::kBlocked ? "blocked" : "streaming";
  }

  T learn_one(const py::object& x, const py::object& t, double largest_loss) {
    const auto inputs = values_of<T>(x, guarded_.network().n_inputs(), "learn_one", "x");
    const auto targets = values_of<T>(t, guarded_.network().n_outputs(), "learn_one", "t");
    const T *row = inputs.data(), *target = targets.data();
    typename GuardedNetwork<T>::Exclusive exclusive(guarded_, "learn_one");
    if (guarded_.is_brief()) return trainer_.learn_one(row, target, largest_loss);
    py::gil_scoped_release release;
    return trainer_.learn_one(row, target, largest_loss);
  }

  // The two that follow may be used by a training's own callback, between presentations.
  void set_learning_rate(double learning_rate) {
    alone("learning_rate", [&] { trainer_.set_learning_rate(learning_rate); });
  }

  Array<T> rates() {
    Array<T> result(guarded_.network().n_parameters());
    alone("learning_rates", [&] { trainer_.state().rates(result.mutable_data()); });
    return result;
  }

  // All that the rule remembers, for copies and files.
  py::dict memory() {
    typename RuleState<T>::Memo memo;
    alone("memory", [&] { memo = trainer_.state().memo(); });
    const auto array = [](const AlignedVector<T>& values) {
      return Array<T>(Index(values.size()), values.data());
    };
    return py::dict("velocity"_a = array(memo.velocity), "curvature"_a = array(memo.curvature),
                    "first"_a = array(memo.first), "second"_a = array(memo.second),
                    "means"_a = array(memo.means), "measured"_a = memo.measured,
                    "centres_known"_a = memo.centres_known, "learning_rate"_a = memo.learning_rate,
                    "eta"_a = memo.eta, "first_share"_a = memo.first_share,
                    "second_share"_a = memo.second_share);
  }

  void resume(const py::dict& memory) {
    const auto vector = [&memory](const char* name) {
      const auto array = memory[name].cast<Array<T>>();
      return AlignedVector<T>(array.data(), array.data() + array.size());
    };
    const auto number = [&memory](const char* name) { return memory[name].cast<double>(); };
    const typename RuleState<T>::Memo memo{vector("velocity"),
                                           vector("curvature"),
                                           vector("first"),
                                           vector("second"),
                                           vector("means"),
                                           memory["measured"].cast<bool>(),
                                           memory["centres_known"].cast<bool>(),
                                           number("learning_rate"),
                                           number("eta"),
                                           number("first_share"),
                                           number("second_share")};
    alone("resume", [&] { trainer_.resume(memo); });
  }

  Array<T> curvature() {
    Array<T> result(guarded_.network().n_parameters());
    alone("curvature", [&] {
      const AlignedVector<T>& h = trainer_.state().curvature;
      std::copy(h.begin(), h.end(), result.mutable_data());
    });
    return result;
  }

 private:
  template <class Body>
  void alone(const char* function, Body&& body) {
    if (guarded_.trains_here()) return body();
    typename GuardedNetwork<T>::Exclusive exclusive(guarded_, function);
    body();
  }

  py::object owner_;
  GuardedNetwork<T>& guarded_;
  Trainer<T> trainer_;
};

template <class T>
void bind_trainer(py::module_& m, const char* name) {
  using B = BoundTrainer<T>;
  py::class_<B>(m, name)
      .def(py::init<py::object, const RuleOptions&>(), "network"_a, "options"_a)
      .def("train", &B::train, py::arg("x").noconvert(), py::arg("t").noconvert(),
           py::arg("order").noconvert(), "batches"_a = 1, py::arg("rates").noconvert() = py::none(),
           py::arg("weights").noconvert() = py::none(), py::arg("shift").noconvert() = py::none(),
           py::arg("factor").noconvert() = py::none(), "engine"_a = "auto", "n_threads"_a = 1,
           "callback"_a = py::none())
      .def("engine", &B::engine, "engine"_a)
      .def("learn_one", &B::learn_one, "x"_a, "t"_a,
           "largest_loss"_a = std::numeric_limits<double>::infinity())
      .def("set_learning_rate", &B::set_learning_rate, "learning_rate"_a)
      .def("memory", &B::memory)
      .def("resume", &B::resume, "memory"_a)
      .def_property_readonly("rates", &B::rates)
      .def_property_readonly("curvature", &B::curvature);
}

// The rules' settings, which are checked in Python.
void bind_options(py::module_& m) {
  py::class_<SgdOptions>(m, "SgdOptions")
      .def(py::init([](const std::string& scale) {
             return SgdOptions{scale == "none"     ? Scale::kNone
                               : scale == "fan_in" ? Scale::kFanIn
                                                   : Scale::kLiteral};
           }),
           "scale"_a);
  py::class_<SdlmOptions>(m, "SdlmOptions")
      .def(py::init<double, Index, bool, double, bool>(), "mu"_a, "hessian_samples"_a, "running"_a, "gamma"_a,
           "per_unit"_a);
  py::class_<MurataOptions>(m, "MurataOptions")
      .def(py::init<double, double, double, double, double>(), "delta"_a, "alpha"_a, "beta"_a, "smallest"_a,
           "largest"_a);
  py::class_<AdaGradOptions>(m, "AdaGradOptions").def(py::init<double, double>(), "initial"_a, "floor"_a);
  py::class_<RmsPropOptions>(m, "RmsPropOptions").def(py::init<double, double>(), "leak"_a, "floor"_a);
  py::class_<AdamOptions>(m, "AdamOptions")
      .def(py::init<double, double, double>(), "leak"_a, "second_leak"_a, "floor"_a);
  py::class_<RpropOptions>(m, "RpropOptions")
      .def(py::init<double, double, double, double>(), "increase"_a, "decrease"_a, "smallest"_a, "largest"_a);
  py::class_<DeltaBarDeltaOptions>(m, "DeltaBarDeltaOptions")
      .def(py::init<double, double, double, double>(), "increase"_a, "decrease"_a, "leak"_a, "largest"_a);
  using Method = decltype(RuleOptions::method);
  py::class_<RuleOptions>(m, "RuleOptions")
      .def(py::init([](double learning_rate, double momentum, const std::string& momentum_form,
                       double weight_decay, double centring_leak, const Method& method) {
             const Momentum form = momentum_form == "heavy_ball" ? Momentum::kHeavyBall
                                   : momentum_form == "nesterov" ? Momentum::kNesterov
                                                                 : Momentum::kAveraged;
             return RuleOptions{learning_rate, momentum, form, weight_decay, centring_leak, method};
           }),
           py::kw_only(), "learning_rate"_a, "momentum"_a, "momentum_form"_a, "weight_decay"_a,
           "centring_leak"_a, "method"_a);
}

// |psi| after each presentation; psi is updated in place.
Array<double> bound_online_eigenvalue(GuardedNetwork<double>& guarded, const Array<double>& x,
                                      const Array<double>& t, const Array<Index>& order, Array<double> psi,
                                      const Array<double>& gammas, double alpha, double shift,
                                      const Optional<double>& weights) {
  const auto samples = samples_of<double>(guarded.network(), x, t, weights, std::nullopt, std::nullopt);
  checked_order(order, x.shape(0));
  require_size(psi, guarded.network().n_parameters(), "online_eigenvalue", "psi");
  require_size(gammas, order.size(), "online_eigenvalue", "gammas");
  Array<double> norms(order.size());
  const Index *indices = order.data(), n = order.size();
  const double* leaks = gammas.data();
  double *direction = psi.mutable_data(), *to = norms.mutable_data();
  guarded.read([&](const Network<double>& network) {
    online_eigenvalue(network, samples, indices, n, alpha, shift, leaks, direction, to, Signals());
  });
  return norms;
}

}  // namespace

void bind_online(py::module_& m) {
  bind_options(m);
  bind_trainer<float>(m, "Trainer32");
  bind_trainer<double>(m, "Trainer64");
  m.def("online_eigenvalue", &bound_online_eigenvalue, "network"_a, py::arg("x").noconvert(),
        py::arg("t").noconvert(), py::arg("order").noconvert(), py::arg("psi").noconvert(),
        py::arg("gammas").noconvert(), py::kw_only(), "alpha"_a, "shift"_a = 0.0,
        py::arg("weights").noconvert() = py::none());
}

}  // namespace ebp::bindings
