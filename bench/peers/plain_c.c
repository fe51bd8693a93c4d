/* Online back-propagation of a tanh network in plain C: no intrinsics, no library but libm and libmvec.
 *
 * W is (n_out, n_in) row by row. Four rows share each load of the input on the way up; on the way down one
 * sweep both hands the error to the level below and updates the weights; tanh has a loop of its own, so
 * that gcc calls libmvec's vector tanh. Compile with -O3 -march=native -ffast-math, link -lmvec -lm.
 */
#include <math.h>
#include <stddef.h>

enum {
  MAX_DEPTH = 4,
  MAX_WIDTH = 1056 /* levels must not lie a multiple of 4096 bytes apart: loads would wait for stores */
};

/* output of level l, and the loss's derivative by the sums of level l */
static _Alignas(64) float level[MAX_DEPTH + 1][MAX_WIDTH];
static _Alignas(64) float delta[MAX_DEPTH + 1][MAX_WIDTH];

/* y = tanh(W x + b); x (n_in), y (n_out) */
__attribute__((noinline)) static void ascend(int n_in, int n_out, const float* restrict W,
                                             const float* restrict b, const float* restrict x,
                                             float* restrict y) {
  int row = 0;
  for (; row + 4 <= n_out; row += 4, W += 4 * (size_t)n_in) {
    const float* restrict Wb = W + n_in, * restrict Wc = Wb + n_in, * restrict Wd = Wc + n_in;
    float a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (int i = 0; i < n_in; i++) {
      a0 += W[i] * x[i];
      a1 += Wb[i] * x[i];
      a2 += Wc[i] * x[i];
      a3 += Wd[i] * x[i];
    }
    y[row] = a0 + b[row];
    y[row + 1] = a1 + b[row + 1];
    y[row + 2] = a2 + b[row + 2];
    y[row + 3] = a3 + b[row + 3];
  }
  for (; row < n_out; row++, W += n_in) {
    float a = b[row];
    for (int i = 0; i < n_in; i++) a += W[i] * x[i];
    y[row] = a;
  }
  for (int j = 0; j < n_out; j++) y[j] = tanhf(y[j]);
}

/* dx = (W' dy) tanh'(x) with W as it was; then W -= rate dy x', b -= rate dy.  Two rows a sweep, because
   every row also loads and stores dx. */
__attribute__((noinline)) static void descend(int n_in, int n_out, float* restrict W, float* restrict b,
                                              const float* restrict x, const float* restrict dy,
                                              float* restrict dx, float rate) {
  for (int i = 0; i < n_in; i++) dx[i] = 0;
  int row = 0;
  for (; row + 2 <= n_out; row += 2, W += 2 * (size_t)n_in) {
    float* restrict Wb = W + n_in;
    const float d0 = dy[row], d1 = dy[row + 1], s0 = rate * d0, s1 = rate * d1;
    for (int i = 0; i < n_in; i++) {
      const float w0 = W[i], w1 = Wb[i];
      dx[i] += w0 * d0 + w1 * d1;
      W[i] = w0 - s0 * x[i];
      Wb[i] = w1 - s1 * x[i];
    }
  }
  for (; row < n_out; row++, W += n_in) {
    const float d = dy[row], s = rate * d;
    for (int i = 0; i < n_in; i++) {
      dx[i] += W[i] * d;
      W[i] -= s * x[i];
    }
  }
  for (int j = 0; j < n_out; j++) b[j] -= rate * dy[j];
  for (int i = 0; i < n_in; i++) dx[i] *= 1 - x[i] * x[i];
}

/* W -= rate dy x', b -= rate dy: the first layer, below which nobody asks for the error */
__attribute__((noinline)) static void update(int n_in, int n_out, float* restrict W, float* restrict b,
                                             const float* restrict x, const float* restrict dy, float rate) {
  int row = 0;
  for (; row + 4 <= n_out; row += 4, W += 4 * (size_t)n_in) {
    float* restrict Wb = W + n_in, * restrict Wc = Wb + n_in, * restrict Wd = Wc + n_in;
    const float s0 = rate * dy[row], s1 = rate * dy[row + 1];
    const float s2 = rate * dy[row + 2], s3 = rate * dy[row + 3];
    for (int i = 0; i < n_in; i++) {
      W[i] -= s0 * x[i];
      Wb[i] -= s1 * x[i];
      Wc[i] -= s2 * x[i];
      Wd[i] -= s3 * x[i];
    }
  }
  for (; row < n_out; row++, W += n_in) {
    const float s = rate * dy[row];
    for (int i = 0; i < n_in; i++) W[i] -= s * x[i];
  }
  for (int j = 0; j < n_out; j++) b[j] -= rate * dy[j];
}

/* One pass over `rows` samples in order; width[0..depth], W[l] and b[l] are changed in place. */
void online_pass(int depth, const int* width, float* const* W, float* const* b, const float* inputs,
                 const float* targets, long rows, float rate) {
  for (long r = 0; r < rows; r++, inputs += width[0], targets += width[depth]) {
    ascend(width[0], width[1], W[0], b[0], inputs, level[1]);
    for (int l = 1; l < depth; l++) ascend(width[l], width[l + 1], W[l], b[l], level[l], level[l + 1]);

    const float* restrict y = level[depth];
    for (int j = 0; j < width[depth]; j++) delta[depth][j] = (y[j] - targets[j]) * (1 - y[j] * y[j]);

    for (int l = depth - 1; l > 0; l--)
      descend(width[l], width[l + 1], W[l], b[l], level[l], delta[l + 1], delta[l], rate);
    update(width[0], width[1], W[0], b[0], inputs, delta[1], rate);
  }
}
