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
  AlignedBuffer<float> c(7);
  c = std::move(b);
  CHECK(b.view().empty());
  CHECK(c.view().size() == 1000);
}

TEST_CASE("a large buffer is zeroed too, starts on a huge page, and moves") {
  constexpr tessera::Index size = (tessera::Index{5} << 20) + 3;
  AlignedBuffer<float> large(size);
#ifdef __linux__
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % (1U << 21) == 0);
#endif
  CHECK(std::ranges::all_of(large.view(), [](float x) { return x == 0.0F; }));
  large.view().front() = 1.0F;
  large.view().back() = 2.0F;
  AlignedBuffer<float> small(3);
  small = std::move(large);
  CHECK(large.view().empty());
  REQUIRE(small.size() == size);
  CHECK(small.view().front() == 1.0F);
  CHECK(small.view().back() == 2.0F);
  small = AlignedBuffer<float>(3);
  CHECK(small.size() == 3);
  CHECK(small.view().front() == 0.0F);
}
