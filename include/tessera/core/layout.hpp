// Laying many named tensors, or many work buffers, into one contiguous buffer. A struct of views says once, in its
// `visit`, what it consists of; the visitors here count, bind and name.
#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/types.hpp>

namespace tessera {

/// A tensor's shape, at most four dimensions.
struct Dims {
  std::array<Index, 4> size{1, 1, 1, 1};
  Index rank = 0;

  constexpr Dims(std::initializer_list<Index> sizes) {
    for (const Index s : sizes) size[static_cast<std::size_t>(rank++)] = s;
  }
  [[nodiscard]] constexpr Index count() const { return size[0] * size[1] * size[2] * size[3]; }
  [[nodiscard]] std::vector<Index> to_vector() const { return {size.begin(), size.begin() + rank}; }
};

/// Tensors begin at multiples of this many values, so that each is 64-byte aligned in float32, 32-byte in bfloat16.
inline constexpr Index layout_step = 16;
constexpr Index padded(Index count) {
  return ceil_div(count, layout_step) * layout_step;
}

// --- Named tensors: `visit` calls v.tensor(name, view, dims), v.nested(name, member, arguments of its visit...)
// and, for lists, v.nested_at(name, index, member). A weight that layers read in the backend's own order
// (nn/packed_weights.hpp) is v.packed_tensor(name, view, dims, layers), where layers(f) calls f(layer, weight, packed)
// for each of them. ---

/// What visitors do with structs in structs. `Self` has tensor(name, view, dims).
template <class Self>
class TensorVisitor {
 public:
  template <class T, class Layers>
  constexpr void packed_tensor(std::string_view name, View<T>& view, Dims dims, Layers&& /*layers*/) {
    self().tensor(name, view, dims);
  }
  template <class Member, class... Arguments>
  constexpr void nested(std::string_view /*name*/, Member& member, Arguments... arguments) {
    member.visit(self(), arguments...);
  }
  template <class Member>
  constexpr void nested_at(std::string_view /*name*/, Index /*index*/, Member& member) {
    member.visit(self());
  }

 private:
  constexpr Self& self() { return static_cast<Self&>(*this); }
};

/// Where one named tensor lies in the buffer.
struct Parameter {
  std::string name;  ///< the state-dict name
  Dims dims;
  Index offset;  ///< in values
  bool decays;   ///< whether AdamW's weight decay applies
};

/// Gives the values of a parameter, valid until it is called again.
using ParameterSource = std::function<View<const float>(const Parameter&)>;

/// Adds up sizes; usable at compile time.
class ParameterCounter : public TensorVisitor<ParameterCounter> {
 public:
  template <class T>
  constexpr void tensor(std::string_view /*name*/, View<T>& /*view*/, Dims dims) {
    size += padded(dims.count());
    values += dims.count();
  }

  Index size = 0;    ///< values of the buffer, with padding
  Index values = 0;  ///< values that are parameters
};

/// Points every view into the buffer that starts at `base`.
template <class T>
class ParameterBinder : public TensorVisitor<ParameterBinder<T>> {
 public:
  explicit ParameterBinder(T* base) : next_(base) {}
  void tensor(std::string_view /*name*/, View<T>& view, Dims dims) {
    view = View<T>(next_, static_cast<std::size_t>(dims.count()));
    next_ += padded(dims.count());
  }

 private:
  T* next_;
};

/// Whether the published recipe lets AdamW decay this tensor: matrices, unless their name says otherwise.
inline bool has_weight_decay(std::string_view name, const Dims& dims) {
  if (dims.rank < 2) return false;
  for (const std::string_view part : {"ln", "bias", "latent_tokens", "mask_token", "embedding", "norm", "gamma"}) {
    if (name.find(part) != std::string_view::npos) return false;
  }
  return true;
}

/// Writes down name, shape and offset of every tensor.
class ParameterLister : public TensorVisitor<ParameterLister> {
 public:
  template <class T>
  void tensor(std::string_view name, View<T>& /*view*/, Dims dims) {
    std::string full = prefix_ + std::string(name);
    const bool decays = has_weight_decay(full, dims);
    parameters.push_back({std::move(full), dims, offset_, decays});
    offset_ += padded(dims.count());
  }
  template <class Member, class... Arguments>
  void nested(std::string_view name, Member& member, Arguments... arguments) {
    const std::size_t length = prefix_.size();
    prefix_ += std::string(name) + ".";
    member.visit(*this, arguments...);
    prefix_.resize(length);
  }
  template <class Member>
  void nested_at(std::string_view name, Index index, Member& member) {
    nested(std::string(name) + "." + std::to_string(index), member);
  }

  std::vector<Parameter> parameters;

 private:
  std::string prefix_;
  Index offset_ = 0;
};

// --- Work buffers: `visit` calls v(view, count). ---

/// What `count` values of U take of memory that is counted in values of T.
template <class T, class U>
constexpr Index padded_as(Index count) {
  return padded(ceil_div(count * static_cast<Index>(sizeof(U)), static_cast<Index>(sizeof(T))));
}

/// Adds up the sizes of work buffers, in values of T; usable at compile time.
template <class T>
class BufferCounter {
 public:
  template <class U>
  constexpr void operator()(View<U>& /*view*/, Index count) {
    size += padded_as<T, U>(count);
  }
  Index size = 0;
};

/// Points every work buffer into the memory that starts at `base`.
template <class T>
class BufferBinder {
 public:
  explicit BufferBinder(T* base) : next_(base) {}
  template <class U>
  void operator()(View<U>& view, Index count) {
    view = View<U>(reinterpret_cast<U*>(next_), static_cast<std::size_t>(count));
    next_ += padded_as<T, U>(count);
  }

 private:
  T* next_;
};

/// The first `count` values of a view, and `count` values from `offset`; Index arguments, unlike std::span's own.
template <class T>
constexpr View<T> first(View<T> view, Index count) {
  return view.first(static_cast<std::size_t>(count));
}
template <class T>
constexpr View<T> slice(View<T> view, Index offset, Index count) {
  return view.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count));
}
/// The values of one parameter, from the buffer of all.
template <class T>
constexpr View<T> slice(View<T> parameters, const Parameter& p) {
  return slice(parameters, p.offset, p.dims.count());
}

}  // namespace tessera
