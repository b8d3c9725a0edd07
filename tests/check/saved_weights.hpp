// What a tokenizer keeps of its weights is all of them: a loaded model is saved with the bits that it was loaded from.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include <files.hpp>
#include <golden_models.hpp>

#include <tessera/tokenizer.hpp>

namespace tessera::testing {

template <class T>
void check_round_trip(const std::string& name) {
  CAPTURE(name);
  const tessera_test::TemporaryFolder folder;
  T::load(golden_folder(name)).save(folder / "model.safetensors");
  const WeightFile found(folder / "model.safetensors"), expected(golden_folder(name));
  for (const Parameter& p : ParameterTable<T::configuration>::parameters()) {
    CAPTURE(p.name);
    const StoredTensor& a = *found.find(p.name);
    const StoredTensor& b = *expected.find(p.name);
    CHECK(std::ranges::equal(a.file->bytes(*a.info), b.file->bytes(*b.info)));
  }
}

}  // namespace tessera::testing
