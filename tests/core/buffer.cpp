#include <tessera/core/buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

using tessera::AlignedBuffer;

TEST_CASE("a buffer is zeroed and aligned, and one that was moved from is empty") {
  AlignedBuffer<float> a(1000);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % tessera::alignment == 0);
  CHECK(std::ranges::all_of(a.view(), [](float x) { return x == 0.0F; }));
  AlignedBuffer<float> b = std::move(a);
  CHECK(a.view().empty());
  CHECK(b.size() == 1000);
  a = std::move(b);
  CHECK(b.view().empty());
  CHECK(a.view().size() == 1000);
}
