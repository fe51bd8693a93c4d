/* Online back-propagation of task F in plain C: no intrinsics, no library but libm and libmvec.
 *
 * 32x32 -> conv 5x5, 6 maps -> 2x2 maximum -> conv 5x5, 16 maps -> 2x2 maximum -> 120 -> 84 -> 10, tanh after
 * every layer with weights. The loops are written as the formulas are; all sizes are constants, and tanh has a
 * loop of its own, so that gcc calls libmvec's vector tanh. Compile with -O3 -march=native -ffast-math, link
 * -lmvec -lm.
 */
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { K = 5 };

static _Alignas(64) float map1[6][28][28], pool1[6][14][14], map2[16][10][10], pool2[16][5][5];
static _Alignas(64) float unit3[120], unit4[84], unit5[10];
/* the loss's derivative by the sums of each, or by the outputs until `through_tanh` */
static _Alignas(64) float d_map1[6][28][28], d_pool1[6][14][14], d_map2[16][10][10], d_pool2[16][5][5];
static _Alignas(64) float d_unit3[120], d_unit4[84], d_unit5[10];

INLINE void tanh_all(int n, float* restrict y) {
  for (int i = 0; i < n; i++) y[i] = tanhf(y[i]);
}

INLINE void through_tanh(int n, const float* restrict y, float* restrict d) {
  for (int i = 0; i < n; i++) d[i] *= 1 - y[i] * y[i];
}

/* y = tanh(w * x + b) */
INLINE void conv_forward(int maps_in, int maps, int side, const float (*restrict w)[maps_in][K][K],
                         const float* restrict b, const float (*restrict x)[side + K - 1][side + K - 1],
                         float (*restrict y)[side][side]) {
  for (int o = 0; o < maps; o++) {
    for (int r = 0; r < side; r++)
      for (int c = 0; c < side; c++) y[o][r][c] = b[o];
    for (int i = 0; i < maps_in; i++)
      for (int u = 0; u < K; u++)
        for (int v = 0; v < K; v++)
          for (int r = 0; r < side; r++)
            for (int c = 0; c < side; c++) y[o][r][c] += w[o][i][u][v] * x[i][r + u][c + v];
  }
  tanh_all(maps * side * side, &y[0][0][0]);
}

/* dx: the error below, with w as it was */
INLINE void conv_backward(int maps_in, int maps, int side, const float (*restrict w)[maps_in][K][K],
                          const float (*restrict dy)[side][side],
                          float (*restrict dx)[side + K - 1][side + K - 1]) {
  memset(dx, 0, sizeof(float) * maps_in * (side + K - 1) * (side + K - 1));
  for (int o = 0; o < maps; o++)
    for (int i = 0; i < maps_in; i++)
      for (int u = 0; u < K; u++)
        for (int v = 0; v < K; v++)
          for (int r = 0; r < side; r++)
            for (int c = 0; c < side; c++) dx[i][r + u][c + v] += w[o][i][u][v] * dy[o][r][c];
}

INLINE void conv_update(int maps_in, int maps, int side, float (*restrict w)[maps_in][K][K],
                        float* restrict b, const float (*restrict x)[side + K - 1][side + K - 1],
                        const float (*restrict dy)[side][side], float rate) {
  for (int o = 0; o < maps; o++) {
    float total = 0;
    for (int r = 0; r < side; r++)
      for (int c = 0; c < side; c++) total += dy[o][r][c];
    b[o] -= rate * total;
    for (int i = 0; i < maps_in; i++)
      for (int u = 0; u < K; u++)
        for (int v = 0; v < K; v++) {
          float sum = 0;
          for (int r = 0; r < side; r++)
            for (int c = 0; c < side; c++) sum += dy[o][r][c] * x[i][r + u][c + v];
          w[o][i][u][v] -= rate * sum;
        }
  }
}

INLINE void pool_forward(int maps, int side, const float (*restrict x)[2 * side][2 * side],
                         float (*restrict y)[side][side]) {
  for (int m = 0; m < maps; m++)
    for (int r = 0; r < side; r++)
      for (int c = 0; c < side; c++) {
        const float *above = &x[m][2 * r][2 * c], *below = &x[m][2 * r + 1][2 * c];
        y[m][r][c] = fmaxf(fmaxf(above[0], above[1]), fmaxf(below[0], below[1]));
      }
}

/* the first of the largest gets the error */
INLINE void pool_backward(int maps, int side, const float (*restrict x)[2 * side][2 * side],
                          const float (*restrict y)[side][side], const float (*restrict dy)[side][side],
                          float (*restrict dx)[2 * side][2 * side]) {
  for (int m = 0; m < maps; m++)
    for (int r = 0; r < side; r++)
      for (int c = 0; c < side; c++) {
        float d = dy[m][r][c];
        for (int k = 0; k < 4; k++) {
          const int won = x[m][2 * r + k / 2][2 * c + k % 2] == y[m][r][c];
          dx[m][2 * r + k / 2][2 * c + k % 2] = won ? d : 0;
          d = won ? 0 : d;
        }
      }
}

/* y = tanh(w x + b) */
INLINE void dense_forward(int n_in, int n_out, const float* restrict w, const float* restrict b,
                          const float* restrict x, float* restrict y) {
  for (int j = 0; j < n_out; j++) {
    float sum = b[j];
    for (int i = 0; i < n_in; i++) sum += w[j * n_in + i] * x[i];
    y[j] = sum;
  }
  tanh_all(n_out, y);
}

/* dx = (w' dy) tanh'(x) with w as it was; then w -= rate dy x', b -= rate dy, in one sweep */
INLINE void dense_backward(int n_in, int n_out, float* restrict w, float* restrict b,
                           const float* restrict x, const float* restrict dy, float* restrict dx,
                           float rate) {
  for (int i = 0; i < n_in; i++) dx[i] = 0;
  for (int j = 0; j < n_out; j++) {
    const float d = dy[j], step = rate * d;
    for (int i = 0; i < n_in; i++) {
      dx[i] += w[j * n_in + i] * d;
      w[j * n_in + i] -= step * x[i];
    }
    b[j] -= step;
  }
  through_tanh(n_in, x, dx);
}

static void learn(float* const* p, const float (*x)[32][32], const float* target, float rate) {
  float(*w1)[1][K][K] = (void*)p[0], (*w2)[6][K][K] = (void*)p[2];
  float *flat = &pool2[0][0][0], *d_flat = &d_pool2[0][0][0];

  conv_forward(1, 6, 28, w1, p[1], x, map1);
  pool_forward(6, 14, map1, pool1);
  conv_forward(6, 16, 10, w2, p[3], pool1, map2);
  pool_forward(16, 5, map2, pool2);
  dense_forward(400, 120, p[4], p[5], flat, unit3);
  dense_forward(120, 84, p[6], p[7], unit3, unit4);
  dense_forward(84, 10, p[8], p[9], unit4, unit5);

  for (int j = 0; j < 10; j++) d_unit5[j] = unit5[j] - target[j];
  through_tanh(10, unit5, d_unit5);
  dense_backward(84, 10, p[8], p[9], unit4, d_unit5, d_unit4, rate);
  dense_backward(120, 84, p[6], p[7], unit3, d_unit4, d_unit3, rate);
  /* an output of the maximum is its winner's, and so is its slope: tanh' comes before the winners are found */
  dense_backward(400, 120, p[4], p[5], flat, d_unit3, d_flat, rate);
  pool_backward(16, 5, map2, pool2, d_pool2, d_map2);
  conv_backward(6, 16, 10, w2, d_map2, d_pool1);
  conv_update(6, 16, 10, w2, p[3], pool1, d_map2, rate);
  through_tanh(6 * 14 * 14, &pool1[0][0][0], &d_pool1[0][0][0]);
  pool_backward(6, 14, map1, pool1, d_pool1, d_map1);
  conv_update(1, 6, 28, w1, p[1], x, d_map1, rate);
}

/* One pass over `rows` images in order; p = w1, b1, ..., w5, b5 is changed in place. */
void online_pass(float* const* p, const float* images, const float* targets, long rows, float rate) {
  for (long r = 0; r < rows; r++) learn(p, (const void*)(images + 1024 * r), targets + 10 * r, rate);
}
