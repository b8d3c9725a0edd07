#include <cases/patches.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("unpatchify: gradients") {
  cases::patches([]<Index C, Index H, Index W, Index P>(Shape<C, H, W, P> sizes, Index batch) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> image = gradients::poisoned<T>(batch * C * H * W);
      reference<T>::unpatchify(sizes, batch, in[0], image);
      return image;
    };
    const auto backward = [=](const std::vector<Values<double>>&, const Values<double>& dimage, auto& d) {
      reference<double>::unpatchify_backward(sizes, batch, dimage, d[0]);
    };
    gradients::check_gradients({{"patches", gradients::random_values(batch * C * H * W, 1), Writes::overwrites}},
                               forward, backward);
  });
}
