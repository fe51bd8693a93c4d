// The arithmetic of the rules that treat every weight by itself, one class a rule: what is taken from the
// weights, and what is remembered, given their gradients. The streaming engine's sweeps and the step over
// whole vectors use the same classes.
#pragma once

#include <type_traits>
#include <variant>

#include "ebp/base/simd.h"
#include "ebp/online/rules.h"

namespace ebp::online {

using simd::Pack;

// How a change c that a method asks for moves a weight: v <- momentum v - gain c, w <- w + through v - past
// c.
template <class T>
struct Inertia {
  T momentum, gain, through, past;

  // What is added to the weights; their velocities, at `velocity`, are updated. The heavy ball leaves out the
  // factors that are 1 for it.
  template <bool kHeavyBall, class Lanes>
  Pack<T> step(Pack<T> change, T* velocity, Lanes lanes) const {
    const Pack<T> v = momentum * lanes.load(velocity) - (kHeavyBall ? change : gain * change);
    lanes.store(velocity, v);
    return kHeavyBall ? v : through * v - past * change;
  }
};

// The numbers of one update that all weights share.
template <class T>
struct Constants {
  T epsilon, decay;
  Inertia<T> inertia;
  T mu;
  T leak, second_leak;  // how far a mean moves towards the present value
  T correction, second_correction;
  T floor;
  T increase, decrease, smallest, largest;
};

// What the rule remembers of each weight, vectors in the layout of theta; null where it has no use for one.
template <class T>
struct Memory {
  T* velocity;
  T* curvature;  // h
  T* first;      // see the methods
  T* second;

  // What begins with parameter `start`.
  Memory from(Index start) const {
    const auto moved = [start](T* vector) { return vector ? vector + start : nullptr; };
    return {moved(velocity), moved(curvature), moved(first), moved(second)};
  }
};

// change(g, i, lanes) is what is taken from the weights start + i, whose gradients are g. A linear method's
// gradients have been multiplied by epsilon before.

// first: a factor of epsilon for each weight
template <class T>
struct FixedRate {
  static constexpr bool kLinear = true;
  const T* factors;

  FixedRate(const Constants<T>&, const Memory<T>& memory, Index start) : factors(memory.first + start) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    return lanes.load(factors + i) * g;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return lanes.load(factors + i);
  }
};

// first: r
template <class T>
struct Murata {
  static constexpr bool kLinear = false;
  T epsilon, leak;
  T* mean;

  Murata(const Constants<T>& c, const Memory<T>& memory, Index start)
      : epsilon(c.epsilon), leak(c.leak), mean(memory.first + start) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> r = lanes.load(mean + i);
    lanes.store(mean + i, r + leak * (g - r));
    return epsilon * g;
  }
  template <class Lanes>
  Pack<T> rate(Index, Lanes) const {
    return simd::broadcast(epsilon);
  }
};

// Divides by the root of a sum or mean s of squared gradients. first: s
template <class T>
struct RootRate {
  static constexpr bool kLinear = false;
  T epsilon, floor;
  T* squares;

  RootRate(const Constants<T>& c, const Memory<T>& memory, Index start)
      : epsilon(c.epsilon), floor(c.floor), squares(memory.first + start) {}

  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon / (simd::sqrt<T>(lanes.load(squares + i)) + floor);
  }
};

template <class T>
struct AdaGrad : RootRate<T> {
  using RootRate<T>::RootRate;

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    T* const s = this->squares + i;
    lanes.store(s, lanes.load(s) + g * g);
    return this->rate(i, lanes) * g;
  }
};

template <class T>
struct RmsProp : RootRate<T> {
  T leak;

  RmsProp(const Constants<T>& c, const Memory<T>& memory, Index start)
      : RootRate<T>(c, memory, start), leak(c.leak) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> s = lanes.load(this->squares + i);
    lanes.store(this->squares + i, s + leak * (g * g - s));
    return this->rate(i, lanes) * g;
  }
};

// first: m, second: s
template <class T>
struct Adam {
  static constexpr bool kLinear = false;
  T epsilon, leak, second_leak, second_correction, floor;
  T *means, *squares;

  Adam(const Constants<T>& c, const Memory<T>& memory, Index start)
      : epsilon(c.epsilon * c.correction),
        leak(c.leak),
        second_leak(c.second_leak),
        second_correction(c.second_correction),
        floor(c.floor),
        means(memory.first + start),
        squares(memory.second + start) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    Pack<T> m = lanes.load(means + i);
    const Pack<T> s = lanes.load(squares + i);
    m += leak * (g - m);
    lanes.store(means + i, m);
    lanes.store(squares + i, s + second_leak * (g * g - s));
    return rate(i, lanes) * m;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon / (second_correction * simd::sqrt<T>(lanes.load(squares + i)) + floor);
  }
};

// Has a factor u of epsilon for each weight that follows the signs of its gradients. first: u
template <class T>
struct SignRate {
  static constexpr bool kLinear = false;
  T epsilon;
  T* factors;

  SignRate(const Constants<T>& c, const Memory<T>& memory, Index start)
      : epsilon(c.epsilon), factors(memory.first + start) {}

  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon * lanes.load(factors + i);
  }
};

// second: the sign of the last gradient
template <class T>
struct Rprop : SignRate<T> {
  T increase, decrease, smallest, largest;
  T* signs;

  Rprop(const Constants<T>& c, const Memory<T>& memory, Index start)
      : SignRate<T>(c, memory, start),
        increase(c.increase),
        decrease(c.decrease),
        smallest(c.smallest),
        largest(c.largest),
        signs(memory.second + start) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> u = lanes.load(this->factors + i), agreement = lanes.load(signs + i) * g, zero{};
    const Pack<T> grown = simd::at_most<T>(increase * u, largest);
    const Pack<T> shrunk = -simd::at_most<T>(-(decrease * u), -smallest);
    const Pack<T> next = agreement > zero ? grown : agreement < zero ? shrunk : u;
    const Pack<T> one = simd::broadcast(T(1));
    const Pack<T> sign = agreement < zero ? zero : g > zero ? one : g < zero ? -one : zero;
    lanes.store(this->factors + i, next);
    lanes.store(signs + i, sign);
    return this->epsilon * next * sign;
  }
};

// second: f
template <class T>
struct DeltaBarDelta : SignRate<T> {
  T increase, keep, leak, largest;
  T* means;

  DeltaBarDelta(const Constants<T>& c, const Memory<T>& memory, Index start)
      : SignRate<T>(c, memory, start),
        increase(c.increase),
        keep(1 - c.decrease),
        leak(c.leak),
        largest(c.largest),
        means(memory.second + start) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> u = lanes.load(this->factors + i), f = lanes.load(means + i), agreement = f * g, zero{};
    const Pack<T> grown = simd::at_most<T>(u + increase, largest);
    const Pack<T> next = agreement > zero ? grown : agreement < zero ? keep * u : u;
    lanes.store(this->factors + i, next);
    lanes.store(means + i, f + leak * (g - f));
    return this->epsilon * next * g;
  }
};

// Calls body.template operator()<Method>() with the class for the options.
template <class T, class Body>
decltype(auto) with_method(const RuleOptions& options, Body&& body) {
  return std::visit(
      [&]<class Options>(const Options&) -> decltype(auto) {
        if constexpr (std::is_same_v<Options, MurataOptions>)
          return body.template operator()<Murata<T>>();
        else if constexpr (std::is_same_v<Options, AdaGradOptions>)
          return body.template operator()<AdaGrad<T>>();
        else if constexpr (std::is_same_v<Options, RmsPropOptions>)
          return body.template operator()<RmsProp<T>>();
        else if constexpr (std::is_same_v<Options, AdamOptions>)
          return body.template operator()<Adam<T>>();
        else if constexpr (std::is_same_v<Options, RpropOptions>)
          return body.template operator()<Rprop<T>>();
        else if constexpr (std::is_same_v<Options, DeltaBarDeltaOptions>)
          return body.template operator()<DeltaBarDelta<T>>();
        else
          return body.template operator()<FixedRate<T>>();
      },
      options.method);
}

}  // namespace ebp::online
