#include <cases/rows.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

// The three ways in which a model lays out its sequence of 1 + 2 * count rows: a row for every image from one, rows of
// their own, rows that all images share. Positions are added to the last two.
TEST_CASE("copy_rows: gradients by add_rows and sum_rows") {
  cases::rows([]<Index D>(Shape<D>, Index batch, Index count) {
    const Index length = 1 + 2 * count;
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      using B = reference<T>;
      Values<T> y = gradients::poisoned<T>(batch * length * D);
      const auto block = [&](Index first) { return RowBlock<T>{y, length, first}; };
      B::copy_rows(shape<D>, batch, 1, RowBlock<const T>{in[0], 0, 0, 0}, {}, block(0));
      B::copy_rows(shape<D>, batch, count, RowBlock<const T>{in[1], count}, in[3], block(1));
      B::copy_rows(shape<D>, batch, count, RowBlock<const T>{in[2], 0}, in[3], block(1 + count));
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>&, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      const auto block = [&](Index first) { return RowBlock<const double>{dy, length, first}; };
      B::sum_rows(shape<D>, batch, 1, block(0), d[0], 0);
      B::add_rows(shape<D>, batch, count, block(1), RowBlock<double>{d[1], count});
      B::sum_rows(shape<D>, batch, count, block(1 + count), d[2], 1);
      B::sum_rows(shape<D>, batch, count, block(1), d[3], 1);
      B::sum_rows(shape<D>, batch, count, block(1 + count), d[3], 1);
    };
    gradients::check_gradients({{"class token", gradients::random_values(D, 1), Writes::adds},
                                {"patches", gradients::random_values(batch * count * D, 2), Writes::adds},
                                {"latent tokens", gradients::random_values(count * D, 3), Writes::adds},
                                {"positions", gradients::random_values(count * D, 4), Writes::adds}},
                               forward, backward);
  });
}

TEST_CASE("copy_rows and sum_rows: one row repeated") {
  cases::rows([]<Index D>(Shape<D>, Index batch, Index count) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(batch * count * D);
      reference<T>::copy_rows(shape<D>, batch, count, RowBlock<const T>{in[0], 0, 0, 0}, in[1], RowBlock<T>{y, count});
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>&, const Values<double>& dy, auto& d) {
      reference<double>::sum_rows(shape<D>, batch, count, RowBlock<const double>{dy, count}, d[0], 0);
      reference<double>::sum_rows(shape<D>, batch, count, RowBlock<const double>{dy, count}, d[1], 1);
    };
    gradients::check_gradients({{"mask token", gradients::random_values(D, 1), Writes::adds},
                                {"positions", gradients::random_values(count * D, 2), Writes::adds}},
                               forward, backward);
  });
}
