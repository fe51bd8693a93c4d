// The arithmetic of the rules that treat every weight by itself, one class a rule: what is taken from the
// weights, and what is remembered, given their gradients. The streaming engine's sweeps and the step over
// whole vectors use the same classes.
#pragma once

#include <utility>

#include "ebp/base/simd.h"
#include "ebp/online/rules.h"

namespace ebp::online {

using simd::Pack;

// The numbers of one update that all weights share.
template <class T>
struct Constants {
  T epsilon, decay;
  // v <- momentum v - gain c, w <- w + through v - past c, for the change c
  T momentum, gain, through, past;
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

  Memory from(Index start) const {
    const auto moved = [start](T* vector) { return vector ? vector + start : nullptr; };
    return {moved(velocity), moved(curvature), moved(first), moved(second)};
  }
};

// change(g, i, lanes) is what is taken from the weights i of the stretch that the method was made for, whose
// gradients are g. A linear method's gradients have been multiplied by epsilon before.

// first: a factor of epsilon for each weight
template <class T>
struct FixedRate {
  static constexpr bool kLinear = true;
  const T* factors;

  FixedRate(const Constants<T>&, const Memory<T>& memory) : factors(memory.first) {}

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

  Murata(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon), leak(c.leak), mean(memory.first) {}

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

// first: s
template <class T>
struct AdaGrad {
  static constexpr bool kLinear = false;
  T epsilon, floor;
  T* sums;

  AdaGrad(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon), floor(c.floor), sums(memory.first) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    lanes.store(sums + i, lanes.load(sums + i) + g * g);
    return rate(i, lanes) * g;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon / (simd::sqrt<T>(lanes.load(sums + i)) + floor);
  }
};

// first: s
template <class T>
struct RmsProp {
  static constexpr bool kLinear = false;
  T epsilon, leak, floor;
  T* squares;

  RmsProp(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon), leak(c.leak), floor(c.floor), squares(memory.first) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> s = lanes.load(squares + i);
    lanes.store(squares + i, s + leak * (g * g - s));
    return rate(i, lanes) * g;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon / (simd::sqrt<T>(lanes.load(squares + i)) + floor);
  }
};

// first: m, second: s
template <class T>
struct Adam {
  static constexpr bool kLinear = false;
  T epsilon, leak, second_leak, correction, second_correction, floor;
  T *means, *squares;

  Adam(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon * c.correction),
        leak(c.leak),
        second_leak(c.second_leak),
        second_correction(c.second_correction),
        floor(c.floor),
        means(memory.first),
        squares(memory.second) {}

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

// first: u, second: the sign of the last gradient
template <class T>
struct Rprop {
  static constexpr bool kLinear = false;
  T epsilon, increase, decrease, smallest, largest;
  T *factors, *signs;

  Rprop(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon),
        increase(c.increase),
        decrease(c.decrease),
        smallest(c.smallest),
        largest(c.largest),
        factors(memory.first),
        signs(memory.second) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> u = lanes.load(factors + i), agreement = lanes.load(signs + i) * g, zero{};
    const Pack<T> grown = simd::at_most<T>(increase * u, largest);
    const Pack<T> shrunk = -simd::at_most<T>(-(decrease * u), -smallest);
    const Pack<T> next = agreement > zero ? grown : agreement < zero ? shrunk : u;
    const Pack<T> one = simd::broadcast(T(1));
    const Pack<T> sign = agreement < zero ? zero : g > zero ? one : g < zero ? -one : zero;
    lanes.store(factors + i, next);
    lanes.store(signs + i, sign);
    return epsilon * next * sign;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon * lanes.load(factors + i);
  }
};

// first: u, second: f
template <class T>
struct DeltaBarDelta {
  static constexpr bool kLinear = false;
  T epsilon, increase, keep, leak, largest;
  T *factors, *means;

  DeltaBarDelta(const Constants<T>& c, const Memory<T>& memory)
      : epsilon(c.epsilon),
        increase(c.increase),
        keep(1 - c.decrease),
        leak(c.leak),
        largest(c.largest),
        factors(memory.first),
        means(memory.second) {}

  template <class Lanes>
  Pack<T> change(Pack<T> g, Index i, Lanes lanes) const {
    const Pack<T> u = lanes.load(factors + i), f = lanes.load(means + i), agreement = f * g, zero{};
    const Pack<T> grown = simd::at_most<T>(u + increase, largest);
    const Pack<T> next = agreement > zero ? grown : agreement < zero ? keep * u : u;
    lanes.store(factors + i, next);
    lanes.store(means + i, f + leak * (g - f));
    return epsilon * next * g;
  }
  template <class Lanes>
  Pack<T> rate(Index i, Lanes lanes) const {
    return epsilon * lanes.load(factors + i);
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
