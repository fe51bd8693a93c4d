"""The C functions that steps of a network become, by name; each is written into a header once, if needed.

`{p}` and `{s}` enclose the name of each, `{real}` is the type of the arithmetic, and `{f}` the suffix of its
functions in math.h.
"""

FUNCTIONS = {
    "affine": """\
/* y = w x + b; w (n_out, n_in) */
static void {p}affine{s}(int n_in, int n_out, const {real} *w, const {real} *b, const {real} *x, {real} *y) {{
  int o, i;
  for (o = 0; o < n_out; o++, w += n_in) {{
    {real} sum = b[o];
    for (i = 0; i < n_in; i++) sum += w[i] * x[i];
    y[o] = sum;
  }}
}}
""",
    "scale": """\
static void {p}scale{s}(int n, const {real} *shift, const {real} *factor, const {real} *x, {real} *y) {{
  int i;
  for (i = 0; i < n; i++) y[i] = (x[i] - shift[i]) * factor[i];
}}
""",
    "convolution": """\
/* kernels (maps, channels, kh, kw) over images (channels, height, width), which begin `top` rows and `left`
   columns within zeros, or are followed by themselves if `wraps` */
static void {p}convolution{s}(int channels, int height, int width, int maps, int kh, int kw, int stride,
                              int top, int left, int wraps, int out_height, int out_width,
                              const {real} *kernels, const {real} *b, const {real} *x, {real} *y) {{
  int o, r, c, i, k, l;
  for (o = 0; o < maps; o++)
    for (r = 0; r < out_height; r++)
      for (c = 0; c < out_width; c++) {{
        const {real} *w = kernels + (long)o * channels * kh * kw;
        {real} sum = b[o];
        for (i = 0; i < channels; i++)
          for (k = 0; k < kh; k++)
            for (l = 0; l < kw; l++, w++) {{
              int row = r * stride + k - top, column = c * stride + l - left;
              if (wraps) {{
                row %= height;
                column %= width;
              }}
              if (row >= 0 && row < height && column >= 0 && column < width)
                sum += *w * x[((long)i * height + row) * width + column];
            }}
        *y++ = sum;
      }}
}}
""",
    "windows": """\
/* of size x size pixels each: their largest value, or their sum times `factor` unless that is 0 */
static void {p}windows{s}(int maps, int height, int width, int size, {real} factor, const {real} *x,
                       {real} *y) {{
  int m, r, c, k, l;
  for (m = 0; m < maps; m++)
    for (r = 0; r < height; r += size)
      for (c = 0; c < width; c += size) {{
        const {real} *corner = x + ((long)m * height + r) * width + c;
        {real} largest = *corner, sum = 0;
        for (k = 0; k < size; k++)
          for (l = 0; l < size; l++) {{
            const {real} value = corner[(long)k * width + l];
            sum += value;
            if (value > largest) largest = value;
          }}
        *y++ = factor != 0 ? factor * sum : largest;
      }}
}}
""",
    "map_scale": """\
static void {p}map_scale{s}(int maps, int units, const {real} *w, const {real} *b, const {real} *x,
                            {real} *y) {{
  int m, k;
  for (m = 0; m < maps; m++)
    for (k = 0; k < units; k++) *y++ = w[m] * *x++ + b[m];
}}
""",
    "squared_distance": """\
static {real} {p}squared_distance{s}(int n, const {real} *a, const {real} *b) {{
  {real} sum = 0;
  int i;
  for (i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}}
""",
    "bumps": """\
/* exp(-|x - centre|^2 / (2 width^2)) */
static void {p}bumps{s}(int n_in, int n_out, const {real} *centres, const {real} *widths, const {real} *x,
                     {real} *y) {{
  int o;
  for (o = 0; o < n_out; o++) {{
    const {real} square = widths[o] * widths[o];
    const {real} distance = {p}squared_distance{s}(n_in, x, centres + (long)o * n_in);
    y[o] = square != 0 ? exp{f}(-distance / (2 * square)) : 0;
  }}
}}
""",
    "distances": """\
static void {p}distances{s}(int n_in, int n_out, const {real} *codes, const {real} *x, {real} *y) {{
  int o;
  for (o = 0; o < n_out; o++) y[o] = {p}squared_distance{s}(n_in, x, codes + (long)o * n_in);
}}
""",
    "identity": "static {real} {p}identity{s}({real} x) {{ return x; }}\n",
    "tanh": "static {real} {p}tanh{s}({real} x) {{ return tanh{f}(x); }}\n",
    "scaled_tanh": """\
static {real} {p}scaled_tanh{s}({real} x) {{ return ({real})1.7159 * tanh{f}(({real})(2.0 / 3.0) * x); }}
""",
    "logistic": """\
static {real} {p}logistic{s}({real} x) {{
  const {real} e = exp{f}(x < 0 ? x : -x);
  return (x < 0 ? e : 1) / (1 + e);
}}
""",
    "relu": "static {real} {p}relu{s}({real} x) {{ return x > 0 ? x : 0; }}\n",
    "activate": """\
/* y = f(x) + twist x */
static void {p}activate{s}(int n, {real} (*f)({real}), {real} twist, const {real} *x, {real} *y) {{
  int i;
  for (i = 0; i < n; i++) y[i] = f(x[i]) + twist * x[i];
}}
""",
    "softmax": """\
static void {p}softmax{s}(int n, double *x) {{
  double largest = x[0], sum = 0;
  int i;
  for (i = 1; i < n; i++)
    if (x[i] > largest) largest = x[i];
  for (i = 0; i < n; i++) sum += x[i] = exp(x[i] - largest);
  for (i = 0; i < n; i++) x[i] /= sum;
}}
""",
    "log_softplus": """\
/* log(log(1 + exp(z))) */
static double {p}log_softplus{s}(double z) {{
  return z < -30 ? z : log(z > 0 ? z + log1p(exp(-z)) : log1p(exp(z)));
}}
""",
}
NEEDS = {"bumps": ["squared_distance"], "distances": ["squared_distance"]}
