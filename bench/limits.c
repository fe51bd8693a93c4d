/* The ceilings of one core: fused multiply-adds side by side and one after the other, reading, and reading
 * with writing back.
 *
 * Vector types of the compiler, as wide as the CPU has them; compile with -O3 -march=native and without
 * -ffast-math, which could drop work whose result is predictable.
 */
#include <stddef.h>

#if defined(__AVX512F__)
enum { VECTOR = 64 };
#elif defined(__AVX__)
enum { VECTOR = 32 };
#else
enum { VECTOR = 16 };
#endif

typedef float vec __attribute__((vector_size(VECTOR)));

enum {
  LANES = VECTOR / sizeof(float),
  CHAINS = 12, /* independent sums: more than latency times units, fewer than registers */
  STRIDE = 8   /* vectors a step of a memory loop */
};

static float sum_of(const vec* v, int count) {
  float total = 0;
  for (int k = 0; k < count; k++)
    for (int lane = 0; lane < LANES; lane++) total += v[k][lane];
  return total;
}

/* `steps` steps of CHAINS multiply-adds on registers; returns the floating point operations done. */
double limits_fma(long steps, float factor, float* result) {
  vec sums[CHAINS], scale = factor - (vec){0}, shift = scale;
  for (int k = 0; k < CHAINS; k++) sums[k] = scale * (float)(k + 1);
  for (long s = 0; s < steps; s++)
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) sums[k] = sums[k] * scale + shift;
  *result = sum_of(sums, CHAINS);
  return 2.0 * LANES * CHAINS * (double)steps;
}

/* `steps` steps of 100 multiply-adds, each of which waits for the one before. */
void limits_chain(long steps, float factor, float* result) {
  vec sum = factor - (vec){0}, scale = sum, shift = sum;
  for (long s = 0; s < steps; s++)
#pragma GCC unroll 100
    for (int k = 0; k < 100; k++) sum = sum * scale + shift;
  *result = sum_of(&sum, 1);
}

/* Sum p[0..count) `passes` times; count is a multiple of STRIDE * LANES, p on a 64-byte boundary. */
void limits_read(const float* p, size_t count, long passes, float* result) {
  vec sums[STRIDE] = {{0}};
  for (long pass = 0; pass < passes; pass++) {
    const vec *v = (const vec*)p, *end = (const vec*)(p + count);
    for (; v < end; v += STRIDE)
#pragma GCC unroll 8
      for (int k = 0; k < STRIDE; k++) sums[k] += v[k];
    __asm__ volatile("" ::: "memory"); /* the next pass reads again */
  }
  *result = sum_of(sums, STRIDE);
}

/* p[i] += shift, `passes` times, under the same conditions. */
void limits_update(float* p, size_t count, long passes, float shift) {
  for (long pass = 0; pass < passes; pass++) {
    vec *v = (vec*)p, *end = (vec*)(p + count);
    for (; v < end; v += STRIDE)
#pragma GCC unroll 8
      for (int k = 0; k < STRIDE; k++) v[k] += shift;
    __asm__ volatile("" ::: "memory");
  }
}
