// How the tensors of a file differ from the parameters of a Config.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/io/tensor_roles.hpp>
#include <tessera/io/weight_file.hpp>

namespace tessera {

/// One text for each tensor that does not fit.
struct TensorDifferences {
  std::vector<std::string> missing, misshapen, mistyped, unknown;

  [[nodiscard]] std::size_t count() const {
    return missing.size() + misshapen.size() + mistyped.size() + unknown.size();
  }
};

namespace detail {

/// Element types that read_float32 takes.
inline bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

/// "no 'a' [2], 'b' [3]; unknown 'c' [1] and 37 more": the first `most` of them.
inline std::string join(const TensorDifferences& d, std::size_t most) {
  std::string text;
  std::size_t shown = 0;
  const auto add = [&](std::string_view kind, const std::vector<std::string>& items) {
    for (std::size_t i = 0; i < items.size() && shown < most; ++i, ++shown) {
      text.append(i > 0 ? ", " : text.empty() ? "" : "; ").append(i > 0 ? "" : kind).append(items[i]);
    }
  };
  add("no ", d.missing);
  add("", d.misshapen);
  add("", d.mistyped);
  add("unknown ", d.unknown);
  if (d.count() > shown) text += " and " + std::to_string(d.count() - shown) + " more";
  return text;
}

/// In quotes, shortened.
inline std::string quoted_name(std::string_view name) {
  return "'" + one_line(name, 80) + "'";
}

}  // namespace detail

/// What the file lacks, has otherwise and has beside the parameters; tensors that nobody loads (tensor_roles.hpp) do
/// not count.
inline TensorDifferences tensor_differences(const WeightFile& file, const std::vector<Parameter>& parameters) {
  const TensorNames names(file);
  TensorDifferences result;
  std::set<std::string> expected;
  for (const Parameter& p : parameters) {
    const std::string name = names.prefix() + p.name, quoted = detail::quoted_name(name);
    const std::vector<Index> shape = p.dims.to_vector();
    const StoredTensor* tensor = file.find(name);
    expected.insert(name);
    if (tensor == nullptr) {
      result.missing.push_back(quoted + " " + to_string(shape));
    } else if (tensor->info->shape != shape) {
      result.misshapen.push_back(quoted + " of shape " + to_string(tensor->info->shape) + " instead of " +
                                 to_string(shape));
    } else if (!detail::is_float(tensor->info->dtype)) {
      result.mistyped.push_back(quoted + " of " + std::string(name_of(tensor->info->dtype)) +
                                " instead of F32, F16, BF16 or F64");
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    const TensorRole role = names.role(name);
    if (role != TensorRole::weight && role != TensorRole::unknown) continue;
    if (!expected.contains(name))
      result.unknown.push_back(detail::quoted_name(name) + " " + to_string(tensor.info->shape));
  }
  return result;
}

}  // namespace tessera
