// clang-format off
// The operations that a backend implements, and nothing else. Layers are written against this list; a backend knows no
// model. Every operation is a static member function; sizes that a kernel is compiled for come as shape<...>, the
// others as numbers. All buffers are dense, row-major, and 64-byte aligned at their start (32-byte in a format of half
// the precision); slices by rows need not be, nor the weights given to pack_*, which may lie in a file.
//
// Values are of type Scalar. In Wide<Scalar> (operations.hpp) are statistics (mean, rstd, log_sum_exp, norm, margins,
// kl), the gradients of parameters (dweight, dbias, dtable, dcodes) and what the optimizer updates.
//
// Packing, of weights and convolutions alike, moves every value of a weight to one place and puts zeros between them: a
// saved model's weights are read back from there (nn/forward_weights.hpp).
//
// Matrix products. `weight` is [Out, In] as PyTorch stores it.
//   Index packed_weight_size(shape<In, Out>)                          values, of either packing
//   void pack_weight(shape<In, Out>, weight, packed)                  once after load, or once a training step
//   void pack_weight_transposed(shape<In, Out>, weight, packed)       for linear_backward_input
//   void linear(shape<In, Out>, rows, x, packed, LinearEpilogue, y)   y [rows, Out] overwritten
//   void linear_backward_input(shape<In, Out>, rows, dy, packed_transposed, LinearBackwardEpilogue, dx)
//        dx [rows, In] overwritten
//   Index linear_backward_scratch(shape<In, Out>, rows)               values of scratch for the next one
//   void linear_backward_weight(shape<In, Out>, rows, x, dy, scratch, dweight, dbias)
//        adds to dweight [Out, In] and dbias [Out], which may be empty
//
// Layer norm over rows of D values, biased variance, eps 1e-5. mean, rstd: [rows], or empty where nobody reads them.
//   void layer_norm(shape<D>, rows, x, weight, bias, y, mean, rstd)
//   void layer_norm_backward(shape<D>, rows, x, weight, mean, rstd, dy, dx, dweight, dbias)
//        adds to dx, dweight and dbias
//
// Attention, softmax(q k^T / sqrt(D / heads)) v by heads, which are contiguous slices of the width.
// q, y: [batch, q_rows, D]; kv: [batch, kv_rows, 2 D], k then v; log_sum_exp: [batch, heads, q_rows] or empty.
//   void attention(shape<D, heads>, batch, q_rows, kv_rows, q, kv, y, log_sum_exp)
//   void attention_backward(shape<D, heads>, batch, q_rows, kv_rows, q, kv, y, log_sum_exp, dy, dq, dkv)   overwrites
//
// Rows. RowBlock (operations.hpp) says where row (b, r) lies.
//   void copy_rows(shape<D>, batch, count, RowBlock x, table, RowBlock y)
//        y(b, r) = x(b, r) + table[r]; table [count, D] or empty
//   void add_rows(shape<D>, batch, count, RowBlock x, RowBlock y)
//        y(b, r) += x(b, r)
//   void sum_rows(shape<D>, batch, count, RowBlock x, table, step)
//        table[r * step] += sum over b of x(b, r), a gradient; step 0 or 1
//
// Patches. image [batch, C, H, W]; N = HW / P^2 patches row by row.
//   void patchify(shape<C, H, W, P>, batch, image, patches)     [batch, N, (C, P, P)]: a P x P convolution's input
//   void unpatchify(shape<C, H, W, P>, batch, patches, image)   [batch, N, (P, P, C)]: the decoder's output order
//   void unpatchify_backward(shape<C, H, W, P>, batch, dimage, dpatches)
//   void conv3x3(shape<C, H, W>, batch, x, weight, bias, y)     weight [C, C, 3, 3], zero padding 1
//   void conv3x3_backward(shape<C, H, W>, batch, x, weight, dy, dx, dweight, dbias)   overwrites dx, adds to the others
//
// Feature maps [batch, H, W, C]: channels last, so that a pixel's channels lie together and a 3 x 3 convolution (stride
// 1, zero padding 1) is nine matrix products. weight [Out, In, 3, 3] as PyTorch stores it.
//   Index packed_convolution_size(shape<In, Out>)                     values, of either packing
//   void pack_convolution(shape<In, Out>, weight, packed)
//   void pack_convolution_transposed(shape<In, Out>, weight, packed)  for convolution_backward_input
//   void convolution(shape<H, W, In, Out>, batch, x, packed, bias, residual, y)
//        y = residual + conv(x) + bias overwritten; bias [Out] or empty, residual [batch, H, W, Out] or empty, may be y
//   void convolution_backward_input(shape<H, W, In, Out>, batch, dy, packed_transposed, dx)   overwrites dx
//   Index convolution_backward_scratch(shape<H, W, In, Out>, batch)   values of scratch for the next one
//   void convolution_backward_weight(shape<H, W, In, Out>, batch, x, dy, scratch, dweight, dbias)
//        adds to dweight and to dbias, which may be empty
//   void group_norm_silu(shape<C, G>, batch, pixels, x, weight, bias, y, mean, rstd)
//        y = silu(group_norm(x)), which may be x; G groups of neighbouring channels, each image's statistics over the
//        pixels and channels of a group, biased variance, eps 1e-6; mean, rstd: [batch, G] or empty
//   void group_norm_silu_backward(shape<C, G>, batch, pixels, x, weight, bias, mean, rstd, dy, dx, dweight, dbias)
//        adds to dx, dweight and dbias
//   void upsample2(shape<H, W, C>, batch, x, y)                       y [batch, 2H, 2W, C], the nearest pixel
//   void upsample2_backward(shape<H, W, C>, batch, dy, dx)            overwrites dx
//   void transpose(shape<R, C>, batch, x, y)                          y[b, c, r] = x[b, r, c]
//
// Activations.
//   void softmax(shape<D>, rows, x, y)                                over each row; y may be x
//   void softmax_backward(shape<D>, rows, y, dy, dx)                  overwrites dx, which may be dy
//   void tanh(x, y)                                                   y may be x
//   void tanh_backward(y, dy, dx)                                     overwrites dx, which may be dy
//
// Diagonal Gaussians. parameters [rows, 2C]: the mean, then the log-variance, which is clamped to [-30, 20].
//   void gaussian_sample(shape<C>, rows, parameters, noise, z)
//        z = mean + exp(log-variance / 2) * noise; noise [rows, C], or empty: z = mean
//   void gaussian_kl(shape<C>, rows, parameters, kl)
//        kl[r] = sum over C of (mean^2 + variance - 1 - log-variance) / 2
//   void gaussian_backward(shape<C>, rows, parameters, noise, dz, kl_weight, dparameters)
//        overwrites dparameters: z's gradient dz and kl_weight times the gradient of sum(kl); 0 for a log-variance that
//        is clamped
//
// Quantizer. z [rows, C], codes [K, C].
//   Index packed_codes_size(shape<K, C>)
//   void pack_codes(shape<K, C>, codes, packed)
//   void nearest_code(shape<K, C>, rows, z, packed, ids, margins)
//        ids[r] = argmin_k |z[r] - codes[k]|^2, the lowest k on a tie; margins[r] (or empty): the squared distance of
//        the second-nearest minus that of the nearest (infinity when K = 1)
//   void gather_codes(shape<C>, rows, codes, ids, zq)              zq[r] = codes[ids[r]]
//   void gather_codes_backward(shape<C>, rows, dzq, ids, dcodes)   dcodes[ids[r]] += dzq[r], in the order of r
//   void normalize_rows(shape<C>, rows, x, y, norm)
//        y = x / max(|x|, 1e-12); norm [rows] receives that maximum
//   void normalize_rows_backward(shape<C>, rows, y, norm, dy, dx)   adds to dx; both may be gradients of parameters
//   void straight_through(z, zq, y)                                y = z + sg(zq - z): zq's value, z's gradient
//   QuantizerLoss quantizer_loss(z, zq)
//   void quantizer_loss_backward(z, zq, codebook_weight, commitment_weight, dz, dzq)   adds to dz, overwrites dzq
//
// Losses and reductions. Sums are of type Accumulator, in an order that depends on the length alone.
//   Accumulator squared_error(x, target)                           mean((x - target)^2)
//   void squared_error_backward(x, target, weight, dx)             dx = weight * d mean / d x
//   Accumulator absolute_error(x, target)                          mean(|x - target|)
//   void absolute_error_backward(x, target, weight, dx)
//   Accumulator sum(x)                                             of statistics
//   Accumulator sum_of_squares(x)                                  of gradients of parameters
//
// Optimizer, element by element, in Wide<Scalar>.
//   void adamw(AdamWStep, gradient, parameter, first_moment, second_moment)
//   void moving_average(decay, x, average)                         average = decay * average + (1 - decay) * x
//   void round(x, y)                                               y of Scalar; where that is not Wide<Scalar>
//   void fill(value, y)                                            y of either
//
// Memory. Buffer<T> is an owner with view(), view() const and size(); constructed with a size, zeroed, or empty; moved.
// Nobody else reads or writes what its views show.
//   void upload(View<const float> host, View<Scalar> there)
//   void download(View<const Scalar> there, View<float> host)
//   View<const Scalar> stage(View<const float> host, Buffer<Scalar>& staging)   for one reading; `staging` may grow
//   void expect_one_write(View<Scalar> buffer)                     of a new buffer: a model will be loaded into it
//   void upload_tokens(View<const Token> host, View<Token> there)
//   void download_tokens(View<const Token> there, View<Token> host)
// upload and download take Wide<Scalar> too.
//
// Passes: what a tokenizer does many times over.
//   Transfers: copies that need not be done when the call returns.
//     void upload(View<const float> host, View<Scalar> there)      the host's values may change after the call
//     void upload(View<const Token> host, View<Token> there)
//     void download(there, host)                                   of Scalar, Wide<Scalar> or Token; later operations
//        may overwrite what is there; the host's values are there after wait()
//     void wait()                                                  until all that was started is done
//     void forget()                                                after an error: nobody waits for the downloads any more
//   Replay: operations that are the same each time.
//     void run(Index key, f)     f(), which starts operations alone: for one key always the same ones on the same memory
// clang-format on
#pragma once

#include <concepts>

#include <tessera/backend/operations.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// A type with every operation above. Checked with small shapes: an operation that is missing is named by the compiler.
template <class B>
concept Backend = requires(View<const typename B::Scalar> in, View<typename B::Scalar> out,
                           View<const Wide<typename B::Scalar>> wide, View<Wide<typename B::Scalar>> new_wide,
                           View<const Token> ids, View<Token> new_ids, RowBlock<const typename B::Scalar> rows,
                           RowBlock<typename B::Scalar> new_rows, LinearEpilogue<typename B::Scalar> epilogue,
                           LinearBackwardEpilogue<typename B::Scalar> backward_epilogue, AdamWStep step, Index n,
                           View<const float> host, View<float> new_host,
                           typename B::template Buffer<typename B::Scalar>& buffer, typename B::Transfers& transfers,
                           typename B::Replay& replay, void (&operations)()) {
  typename B::Scalar;
  typename B::Accumulator;
  requires std::default_initializable<typename B::Transfers> && std::movable<typename B::Transfers>;
  requires std::default_initializable<typename B::Replay> && std::movable<typename B::Replay>;
  typename B::template Buffer<typename B::Scalar>;
  { B::packed_weight_size(shape<8, 8>) } -> std::same_as<Index>;
  B::pack_weight(shape<8, 8>, in, out);
  B::pack_weight_transposed(shape<8, 8>, in, out);
  B::linear(shape<8, 8>, n, in, in, epilogue, out);
  B::linear_backward_input(shape<8, 8>, n, in, in, backward_epilogue, out);
  { B::linear_backward_scratch(shape<8, 8>, n) } -> std::same_as<Index>;
  B::linear_backward_weight(shape<8, 8>, n, in, in, out, new_wide, new_wide);
  B::layer_norm(shape<8>, n, in, in, in, out, new_wide, new_wide);
  B::layer_norm_backward(shape<8>, n, in, in, wide, wide, in, out, new_wide, new_wide);
  B::attention(shape<8, 2>, n, n, n, in, in, out, new_wide);
  B::attention_backward(shape<8, 2>, n, n, n, in, in, in, wide, in, out, out);
  B::copy_rows(shape<8>, n, n, rows, in, new_rows);
  B::add_rows(shape<8>, n, n, rows, new_rows);
  B::sum_rows(shape<8>, n, n, rows, new_wide, n);
  B::patchify(shape<3, 8, 8, 4>, n, in, out);
  B::unpatchify(shape<3, 8, 8, 4>, n, in, out);
  B::unpatchify_backward(shape<3, 8, 8, 4>, n, in, out);
  B::conv3x3(shape<3, 8, 8>, n, in, in, in, out);
  B::conv3x3_backward(shape<3, 8, 8>, n, in, in, in, out, new_wide, new_wide);
  { B::packed_convolution_size(shape<8, 16>) } -> std::same_as<Index>;
  B::pack_convolution(shape<8, 16>, in, out);
  B::pack_convolution_transposed(shape<8, 16>, in, out);
  B::convolution(shape<4, 4, 8, 16>, n, in, in, in, in, out);
  B::convolution_backward_input(shape<4, 4, 8, 16>, n, in, in, out);
  { B::convolution_backward_scratch(shape<4, 4, 8, 16>, n) } -> std::same_as<Index>;
  B::convolution_backward_weight(shape<4, 4, 8, 16>, n, in, in, out, new_wide, new_wide);
  B::group_norm_silu(shape<8, 4>, n, n, in, in, in, out, new_wide, new_wide);
  B::group_norm_silu_backward(shape<8, 4>, n, n, in, in, in, wide, wide, in, out, new_wide, new_wide);
  B::upsample2(shape<4, 4, 8>, n, in, out);
  B::upsample2_backward(shape<4, 4, 8>, n, in, out);
  B::transpose(shape<4, 8>, n, in, out);
  B::softmax(shape<8>, n, in, out);
  B::softmax_backward(shape<8>, n, in, in, out);
  B::tanh(in, out);
  B::tanh_backward(in, in, out);
  B::gaussian_sample(shape<8>, n, in, in, out);
  B::gaussian_kl(shape<8>, n, in, new_wide);
  B::gaussian_backward(shape<8>, n, in, in, in, 1.0, out);
  { B::packed_codes_size(shape<8, 4>) } -> std::same_as<Index>;
  B::pack_codes(shape<8, 4>, in, out);
  B::nearest_code(shape<8, 4>, n, in, in, new_ids, new_wide);
  B::gather_codes(shape<4>, n, in, ids, out);
  B::gather_codes_backward(shape<4>, n, in, ids, new_wide);
  B::normalize_rows(shape<4>, n, in, out, new_wide);
  B::normalize_rows_backward(shape<4>, n, in, wide, in, out);
  B::normalize_rows_backward(shape<4>, n, in, wide, wide, new_wide);
  B::straight_through(in, in, out);
  { B::quantizer_loss(in, in) } -> std::same_as<QuantizerLoss<typename B::Accumulator>>;
  B::quantizer_loss_backward(in, in, 1.0, 1.0, out, out);
  { B::squared_error(in, in) } -> std::same_as<typename B::Accumulator>;
  B::squared_error_backward(in, in, 1.0, out);
  { B::absolute_error(in, in) } -> std::same_as<typename B::Accumulator>;
  B::absolute_error_backward(in, in, 1.0, out);
  { B::sum(wide) } -> std::same_as<typename B::Accumulator>;
  { B::sum_of_squares(wide) } -> std::same_as<typename B::Accumulator>;
  B::adamw(step, wide, new_wide, new_wide, new_wide);
  B::moving_average(0.5, wide, new_wide);
  requires std::same_as<typename B::Scalar, Wide<typename B::Scalar>> || requires {
    B::round(wide, out);
  };
  B::fill(typename B::Scalar{}, out);
  B::fill(Wide<typename B::Scalar>{}, new_wide);
  B::upload(host, out);
  B::upload(host, new_wide);
  B::download(in, new_host);
  B::download(wide, new_host);
  { B::stage(host, buffer) } -> std::same_as<View<const typename B::Scalar>>;
  B::expect_one_write(out);
  B::upload_tokens(ids, new_ids);
  B::download_tokens(ids, new_ids);
  transfers.upload(host, out);
  transfers.upload(ids, new_ids);
  transfers.download(in, new_host);
  transfers.download(wide, new_host);
  transfers.download(ids, new_ids);
  transfers.wait();
  transfers.forget();
  replay.run(n, operations);
};

}  // namespace tessera
