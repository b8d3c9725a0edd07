// A model's weights where nothing is trained: each once, packed weights in the backend's own order alone.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include <tessera/backend/concept.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/finite.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/nn/packed_weights.hpp>

namespace tessera {

namespace detail {

/// Adds up the tensors that are not packed.
class PlainCounter : public TensorVisitor<PlainCounter> {
 public:
  template <class T>
  void tensor(std::string_view /*name*/, View<T>& /*view*/, Dims dims) {
    size += padded(dims.count());
  }
  template <class T, class Layers>
  void packed_tensor(std::string_view /*name*/, View<T>& /*view*/, Dims /*dims*/, Layers&& /*layers*/) {}

  Index size = 0;
};

/// Puts every parameter where it will be read; `plain` is the memory of those that are not packed.
template <Backend B>
class ForwardLoader : public TensorVisitor<ForwardLoader<B>> {
  using S = typename B::Scalar;

 public:
  ForwardLoader(const std::vector<Parameter>& parameters, const ParameterSource& source, View<S> plain)
      : next_(parameters.begin()), source_(source), place_(plain.data()) {}

  void tensor(std::string_view /*name*/, View<const S>& view, Dims dims) {
    View<S> there;
    place_(there, dims.count());
    B::upload(next_values(), there);
    view = there;
  }
  template <class Layers>
  void packed_tensor(std::string_view /*name*/, View<const S>& view, Dims /*dims*/, Layers&& layers) {
    view = B::stage(next_values(), staging_);
    auto pack = []<class Layer>(Layer, View<const S> weight, PackedWeight<S>& packed) {
      Layer::template pack<B>(weight, packed.forward);
    };
    layers(pack);
    view = {};
  }

 private:
  View<const float> next_values() {
    const Parameter& p = *next_++;
    const View<const float> values = source_(p);
    check_count(p.name, "values", values.size(), p.dims.count());
    check_finite("", p.name, values, ErrorCode::bad_argument);
    return values;
  }

  std::vector<Parameter>::const_iterator next_;
  const ParameterSource& source_;
  BufferBinder<S> place_;
  typename B::template Buffer<S> staging_{};
};

/// The weight that `packed` holds. Packing moves values and adds zeros: the numbers of the places of a weight, packed
/// digit by digit, tell where its values went.
template <Backend B, class Layer>
void unpack(View<const typename B::Scalar> packed, View<float> weight) {
  using S = typename B::Scalar;
  constexpr std::size_t base = 128;  // digits from 1 to 128 are exact in bfloat16 too
  const auto values_of = [](View<const S> there) {
    std::vector<float> values(there.size());
    B::download(there, values);
    return values;
  };
  std::vector<float> digits(weight.size());
  std::vector<std::size_t> places(packed.size());
  std::vector<float> found;
  typename B::template Buffer<S> uploaded(static_cast<Index>(weight.size())), moved(static_cast<Index>(packed.size()));
  for (std::size_t power = 1; power < weight.size() || found.empty(); power *= base) {
    for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = static_cast<float>(i / power % base + 1);
    B::upload(digits, uploaded.view());
    Layer::template pack<B>(View<const S>(uploaded.view()), moved.view());
    found = values_of(View<const S>(moved.view()));
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i] > 0) places[i] += (static_cast<std::size_t>(found[i]) - 1) * power;
    }
  }
  const std::vector<float> values = values_of(packed);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] > 0) weight[places[i]] = values[i];
  }
}

/// The way back of ForwardLoader: every parameter -> its place in a buffer of all.
template <Backend B>
class ForwardSaver : public TensorVisitor<ForwardSaver<B>> {
  using S = typename B::Scalar;

 public:
  ForwardSaver(const std::vector<Parameter>& parameters, View<float> out) : next_(parameters.begin()), out_(out) {}

  void tensor(std::string_view /*name*/, const View<const S>& view, Dims /*dims*/) { B::download(view, place()); }
  template <class Layers>
  void packed_tensor(std::string_view /*name*/, const View<const S>& /*view*/, Dims /*dims*/, Layers&& layers) {
    View<float> rest = place();
    auto unpack_next = [&]<class Layer>(Layer, View<const S>, const PackedWeight<S>& packed) {
      unpack<B, Layer>(packed.forward, first(rest, Layer::weight_size));
      rest = slice(rest, Layer::weight_size, static_cast<Index>(rest.size()) - Layer::weight_size);
    };
    layers(unpack_next);
  }

 private:
  View<float> place() {
    const Parameter& p = *next_++;
    return slice(out_, p);
  }

  std::vector<Parameter>::const_iterator next_;
  View<float> out_;
};

}  // namespace detail

/// The memory behind the views of a model's tensors.
template <Backend B>
class ForwardWeights {
  using S = typename B::Scalar;

 public:
  /// parameters: of `tensors`, in order. Reads each from `source` once, in that order. Throws Error(bad_argument) for
  /// another number of values, NaN and infinity.
  template <class Tensors>
  ForwardWeights(Tensors& tensors, const std::vector<Parameter>& parameters, const ParameterSource& source)
      : packed_(tensors, false) {
    plain_ = typename B::template Buffer<S>(plain_count(tensors));
    detail::ForwardLoader<B> loader(parameters, source, plain_.view());
    tensors.visit(loader);
  }

  /// Bytes that the weights of a model of these tensors take.
  template <class Tensors>
  static std::size_t bytes(Tensors tensors) {
    return static_cast<std::size_t>(PackedWeights<B>::count(tensors, false) + plain_count(tensors)) * sizeof(S);
  }

  /// Every parameter -> a buffer of all of them.
  template <class Tensors>
  static void copy(const Tensors& tensors, const std::vector<Parameter>& parameters, View<float> out) {
    Tensors views = tensors;
    detail::ForwardSaver<B> saver(parameters, out);
    views.visit(saver);
  }

 private:
  template <class Tensors>
  static Index plain_count(Tensors& tensors) {
    detail::PlainCounter counter;
    tensors.visit(counter);
    return counter.size;
  }

  PackedWeights<B> packed_{};
  typename B::template Buffer<S> plain_{};
};

}  // namespace tessera
