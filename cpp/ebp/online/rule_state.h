// What a rule remembers about every parameter of one network.
#pragma once

#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/network.h"
#include "ebp/online/methods.h"

namespace ebp {

// A dense layer y = W x + b above the first one, of i inputs and o outputs, that is trained in the
// coordinates (W, c) of y = W (x - m) + c, where m is the running mean of its inputs: they are centred then,
// as section 4.4 wants it at all layers. Gradients with respect to (W, c) are those of a layer whose inputs
// are x - m; after a step to W + dW, b changes by dc - dW m. Moving m leaves W, b and so the outputs as they
// are.
template <class T>
struct Centred {
  std::size_t stage;  // of the network
  Index start;        // of its parameters, W (o, i) and b (o), in theta
  Index n_inputs, n_outputs;
  AlignedVector<T> mean;  // m (i)

  // m <- m + leak (x - m) for x (i), the input or the mean of a batch's.
  void follow(const T* x, T leak);
  // Adds W m, times 1 before and -1 after a step of the layer's parameters (W, b), to b.
  void add_to_bias(T sign, T* parameters) const;
};

// Vectors in the layout of theta (p).
template <class T>
class RuleState {
 public:
  RuleState(const Network<T>& network, const RuleOptions& options);

  const RuleOptions options;

  bool measured = false;            // SDLM's h has been measured or has begun its running average
  AlignedVector<T> curvature;       // h of SDLM, else empty
  std::vector<Centred<T>> centred;  // the layers whose inputs are centred; gradients are in their coordinates
  bool centres_known = false;       // the running means have begun
  // Null if the layer whose parameters start there is none of them.
  Centred<T>* centred_at(Index start);

  // A stretch of the parameters and the blocks that it reaches into, one module's or all; `apply` takes parts
  // of modules as well, if they are not centred.
  struct Part {
    Index start, size;
    std::size_t first_block, last_block;  // the last one excluded
  };
  Part part(Index start, Index size) const;
  Part whole() const { return {0, n_parameters_, 0, blocks_.size()}; }

  // epsilon from now on. After a change of it, and between begin_update and end_update, which must enclose
  // every update, `constants` are other ones, as `version` tells.
  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double learning_rate);
  void begin_update() {
    if (std::holds_alternative<AdamOptions>(options.method)) count();
  }
  void end_update() {
    if (std::holds_alternative<MurataOptions>(options.method)) follow();
  }
  const online::Constants<T>& constants() const { return constants_; }
  Index version() const { return version_; }
  // Null where there is nothing to remember.
  online::Memory<T> memory();

  // Takes the means h (p) over samples as the curvature.
  void set_curvature(const T* h);
  // h <- (1 - gamma) h + gamma mean, (62), for a part; mean (part.size) is overwritten.
  void average_curvature(const Part& part, T* mean);
  // SDLM's factors of epsilon, from h.
  void refresh_factors(const Part& part);
  void refresh_factors() { refresh_factors(whole()); }
  // One step of a part with the gradient g (part.size); theta (part.size) is updated in place.
  void apply(const Part& part, const T* g, T* theta);
  // rates (p): the factor that multiplies each parameter's gradient, or Adam's mean of it or Rprop's sign.
  void rates(T* rates);
  // Forgets all that has been remembered.
  void reset();
  // All that is remembered: vectors (p), or empty, and the means of the centred layers, one after the other.
  struct Memo {
    AlignedVector<T> velocity, curvature, first, second, means;
    bool measured, centres_known;
    double learning_rate, eta, first_share, second_share;
  };
  Memo memo() const;
  // Goes on where another state of the same options and a network of the same layers was. Throws
  // std::invalid_argument for vectors of other sizes, and remembers then what it did.
  void resume(const Memo& memo);
  bool finite() const;

 private:
  void set_constants();
  void count();   // one more gradient in Adam's means
  void follow();  // (19)
  // The rule's step without regard to centring.
  void step(const Part& part, const T* g, T* theta);
  // Replaces every unit's values (part.size) by their mean, where one h a unit is wanted.
  void share_within_units(const Part& part, T* values) const;

  std::vector<ParameterBlock> blocks_;
  Index n_parameters_;
  online::Constants<T> constants_{};
  Index version_ = 0;
  double learning_rate_;
  double eta_;                                  // Murata's
  double first_share_ = 1, second_share_ = 1;   // that Adam's means still owe to their start from 0
  AlignedVector<T> velocity_, first_, second_;  // see online::Memory
};

}  // namespace ebp
