// How operations run: one call of a functor per index, or sums whose order depends on their sizes alone.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>

namespace tessera::thrust_detail {

/// Memory where the functors run.
template <class System, class T>
using BufferOf = typename System::Memory::template Buffer<T>;

/// f(i) once for every i in [0, count), in any order. f is copied to where it runs.
template <class System, class F>
void launch(Index count, const F& f) {
  if (count > 0) System::for_each(count, f);
}

template <class From, class To>
struct Convert {
  const From* x;
  To* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = static_cast<To>(x[i]); }
};

/// Terms that one call adds up: long sums shall become many calls, and a call be worth its start. Not tuned on a GPU.
inline constexpr Index terms_per_call = 1024;

/// partial[c * outputs + o] = the sum of output o's terms from c * terms_per_call on.
template <class Term>
struct PartialSums {
  Term term;
  Index outputs, terms;
  double* partial;  // [chunks, outputs]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index begin = i / outputs * terms_per_call;
    const Index end = smaller(begin + terms_per_call, terms);
    double sum = 0;
    for (Index t = begin; t < end; ++t) sum += term(i % outputs, t);
    partial[i] = sum;
  }
};

struct AddPartialSums {
  const double* partial;  // [chunks, outputs]
  Index outputs, chunks;
  float* y;  // [outputs]

  TESSERA_HOST_DEVICE void operator()(Index o) const {
    double sum = 0;
    for (Index c = 0; c < chunks; ++c) sum += partial[c * outputs + o];
    y[o] = static_cast<float>(static_cast<double>(y[o]) + sum);
  }
};

/// y[o] += the sum over t in [0, terms) of term(o, t), for o in [0, outputs), in double. Allocates: for training.
template <class System, class Term>
void add_sums(Index outputs, Index terms, const Term& term, float* y) {
  const Index chunks = ceil_div(terms, terms_per_call);
  BufferOf<System, double> partial(chunks * outputs);
  launch<System>(chunks * outputs, PartialSums<Term>{term, outputs, terms, partial.view().data()});
  launch<System>(outputs, AddPartialSums{partial.view().data(), outputs, chunks, y});
}

/// The sum over t in [0, terms) of term(0, t), on the host.
template <class System, class Term>
double sum(Index terms, const Term& term) {
  const Index chunks = ceil_div(terms, terms_per_call);
  BufferOf<System, double> partial(chunks);
  launch<System>(chunks, PartialSums<Term>{term, 1, terms, partial.view().data()});
  double sum = 0;
  for (const double value : System::read(partial.view())) sum += value;
  return sum;
}

}  // namespace tessera::thrust_detail
