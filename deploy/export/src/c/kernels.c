#define LANES 8

#if defined(USE_TANH) || defined(USE_GRU) || defined(USE_LSTM) || defined(USE_SILU)
/* x P(x^2) / Q(x^2), the minimax quotient that Eigen uses, too. */
static float phx_tanh(float x) {
    float z, p, q;
    x = x < -7.905311f ? -7.905311f : x > 7.905311f ? 7.905311f : x;
    z = x * x;
    p = z * -2.7607684e-16f + 2.000188e-13f;
    p = p * z - 8.604672e-11f;
    p = p * z + 5.122297e-8f;
    p = p * z + 1.4857224e-5f;
    p = p * z + 6.3726193e-4f;
    p = p * z + 4.8935246e-3f;
    q = z * 1.1982584e-6f + 1.1853471e-4f;
    q = q * z + 2.2684346e-3f;
    q = q * z + 4.893525e-3f;
    return x * p / q;
}
#endif

#if defined(USE_GRU) || defined(USE_LSTM) || defined(USE_SILU)
static float phx_sigmoid(float x) { return 0.5f + 0.5f * phx_tanh(0.5f * x); }
#endif

#if defined(USE_ELU) || defined(USE_GELU)
static float phx_exp(float x) {
    const float shift = 12582912.0f; /* 1.5 2^23: adding it rounds to a whole number. */
    float scaled = x * 1.44269504f, rounded = scaled + shift, whole = rounded - shift;
    float f = (scaled - whole) * 0.693147181f;
    float p = f * (1.0f / 720.0f) + 1.0f / 120.0f;
    union { uint32_t bits; float x; } power;
    p = p * f + 1.0f / 24.0f;
    p = p * f + 1.0f / 6.0f;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    power.bits = (uint32_t)((int32_t)whole + 127) << 23;
    return p * power.x;
}
#endif

#ifdef USE_GELU
/* The normal distribution function: Abramowitz and Stegun 1964, 7.1.26. */
static float phx_normal(float x) {
    float z = (x < 0.0f ? -x : x) * 0.707106781f, t = 1.0f / (1.0f + 0.3275911f * z), p, least = -z * z;
    p = 1.0614054f * t - 1.453152f;
    p = p * t + 1.4214138f;
    p = p * t - 0.28449672f;
    p = p * t + 0.2548296f;
    p = 0.5f * p * t * phx_exp(least < -80.0f ? -80.0f : least);
    return x > 0.0f ? 1.0f - p : p;
}
#endif

#ifdef USE_DENSE_OR_RECURRENT
/* y = W x + b; the weights of LANES outputs lie side by side, those of the rest in rows. */
static void phx_linear(const float *weight, const float *bias, const float *x, int n, float *y, int m) {
    int i, j, k;
    for (i = 0; i + LANES <= m; i += LANES) {
        float sums[LANES];
        for (k = 0; k < LANES; k++) sums[k] = bias[i + k];
        for (j = 0; j < n; j++, weight += LANES)
            for (k = 0; k < LANES; k++) sums[k] += weight[k] * x[j];
        for (k = 0; k < LANES; k++) y[i + k] = sums[k];
    }
    for (; i < m; i++, weight += n) {
        float sums[4] = {bias[i], 0.0f, 0.0f, 0.0f}, sum;
        for (j = 0; j + 4 <= n; j += 4)
            for (k = 0; k < 4; k++) sums[k] += weight[j + k] * x[j + k];
        sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (; j < n; j++) sum += weight[j] * x[j];
        y[i] = sum;
    }
}
#endif

#if defined(USE_CONV) || defined(USE_POOL) || defined(USE_CONV_INT8)
/* Channels first: planes of height, width. Otherwise height, width, channels. */
typedef struct {
    int height, width, channels, kernel, stride, padding, dilation, first;
} phx_windows;

/* Index of a number of the window in the picture, or -1 in the padding. */
static int phx_at(const phx_windows *w, int row, int column, int i, int j, int channel) {
    row += i * w->dilation - w->padding;
    column += j * w->dilation - w->padding;
    if (row < 0 || row >= w->height || column < 0 || column >= w->width) return -1;
    return w->first ? (channel * w->height + row) * w->width + column
                    : (row * w->width + column) * w->channels + channel;
}

static int phx_across(const phx_windows *w, int pixels) {
    return (pixels + 2 * w->padding - w->dilation * (w->kernel - 1) - 1) / w->stride + 1;
}
#endif

#ifdef USE_CONV
static void phx_conv(const float *p, const float *x, const phx_windows *w, float *y, int filters) {
    int across = phx_across(w, w->width), windows = phx_across(w, w->height) * across;
    int n = w->kernel * w->kernel * w->channels, window, filter, i, j, c, at;
    for (window = 0; window < windows; window++) {
        int row = window / across * w->stride, column = window % across * w->stride;
        for (filter = 0; filter < filters; filter++) {
            int block = filter / LANES * LANES, whole = block + LANES <= filters;
            const float *weight = p + block * n + (whole ? filter - block : (filter - block) * n);
            float sum = p[filters * n + filter];
            for (i = 0; i < w->kernel; i++)
                for (j = 0; j < w->kernel; j++)
                    for (c = 0; c < w->channels; c++) {
                        int k = w->first ? (c * w->kernel + i) * w->kernel + j : (i * w->kernel + j) * w->channels + c;
                        at = phx_at(w, row, column, i, j, c);
                        if (at >= 0) sum += weight[whole ? k * LANES : k] * x[at];
                    }
            y[window * filters + filter] = sum;
        }
    }
}
#endif

#ifdef USE_POOL
static void phx_pool(const float *x, const phx_windows *w, float *y, int is_max) {
    int across = phx_across(w, w->width), windows = phx_across(w, w->height) * across, window, i, j, c, at;
    for (window = 0; window < windows; window++) {
        int row = window / across * w->stride, column = window % across * w->stride;
        for (c = 0; c < w->channels; c++) {
            float all = is_max ? -INFINITY : 0.0f;
            for (i = 0; i < w->kernel; i++)
                for (j = 0; j < w->kernel; j++) {
                    at = phx_at(w, row, column, i, j, c);
                    if (at >= 0) all = is_max ? (all >= x[at] || all != all ? all : x[at]) : all + x[at];
                }
            y[window * w->channels + c] = is_max ? all : all / (float)(w->kernel * w->kernel);
        }
    }
}
#endif

#ifdef USE_LAYER_NORM
static void phx_layer_norm(const float *p, const float *x, float *y, int n) {
    float mean = 0.0f, variance = 0.0f, factor;
    int i;
    for (i = 0; i < n; i++) mean += x[i];
    mean /= (float)n;
    for (i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    factor = 1.0f / sqrtf(variance / (float)n + 1e-5f);
    for (i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * p[i] + p[n + i];
}
#endif

#ifdef USE_RECURRENT
/* W x + b of the units of a gate from `at` on. */
static void phx_gate(const float *weight, const float *bias, const float *x, int n, int width, int gate, float *y) {
    phx_linear(weight + gate * width * n, bias + gate * width, x, n, y, width);
}
#endif

#ifdef USE_GRU
/* Room for six gates of `width` numbers is in `gates`. */
static void phx_gru(const float *p, const float *x, int n, float *state, float *y, int width, float *gates) {
    const float *hidden = p + 3 * width * n, *bias = hidden + 3 * width * width;
    int gate, i;
    for (gate = 0; gate < 3; gate++) {
        phx_gate(p, bias, x, n, width, gate, gates + gate * width);
        phx_gate(hidden, bias + 3 * width, state, width, width, gate, gates + (3 + gate) * width);
    }
    for (i = 0; i < width; i++) {
        float r = phx_sigmoid(gates[i] + gates[3 * width + i]);
        float z = phx_sigmoid(gates[width + i] + gates[4 * width + i]);
        float c = phx_tanh(gates[2 * width + i] + r * gates[5 * width + i]);
        y[i] = (1.0f - z) * c + z * state[i];
    }
    for (i = 0; i < width; i++) state[i] = y[i];
}
#endif

#ifdef USE_LSTM
/* Room for eight gates of `width` numbers is in `gates`; the state is h, then c. */
static void phx_lstm(const float *p, const float *x, int n, float *state, float *y, int width, float *gates) {
    const float *hidden = p + 4 * width * n, *bias = hidden + 4 * width * width;
    int gate, i;
    for (gate = 0; gate < 4; gate++) {
        phx_gate(p, bias, x, n, width, gate, gates + gate * width);
        phx_gate(hidden, bias + 4 * width, state, width, width, gate, gates + (4 + gate) * width);
    }
    for (i = 0; i < width; i++) {
        float in = phx_sigmoid(gates[i] + gates[4 * width + i]);
        float forget = phx_sigmoid(gates[width + i] + gates[5 * width + i]);
        float cell = phx_tanh(gates[2 * width + i] + gates[6 * width + i]);
        float out = phx_sigmoid(gates[3 * width + i] + gates[7 * width + i]);
        state[width + i] = forget * state[width + i] + in * cell;
        y[i] = out * phx_tanh(state[width + i]);
    }
    for (i = 0; i < width; i++) state[i] = y[i];
}
#endif

#ifdef USE_INT8
/* x multiplier 2^(shift - 31), rounded twice, as TensorFlow Lite does. */
static int32_t phx_rescale(int32_t x, int32_t multiplier, int32_t shift) {
    int right = shift < 0 ? -shift : 0;
    int64_t product = (int64_t)x * (1 << (shift > 0 ? shift : 0)) * multiplier;
    int32_t high = (int32_t)((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / ((int64_t)1 << 31));
    int32_t mask = (int32_t)(((int64_t)1 << right) - 1), half = (mask >> 1) + (high < 0);
    return (high >> right) + ((high & mask) > half);
}

/* Zero points of what is read and of sums, least result; a table of results, or NULL. */
static int8_t phx_finish(int32_t sum, const int32_t *rescale, const int *z, const int8_t *table) {
    int32_t x = phx_rescale(sum, rescale[0], rescale[1]) + z[1];
    x = x > 127 ? 127 : x < z[2] ? z[2] : x;
    return table ? table[x + 128] : (int8_t)x;
}

static void phx_quantize(const float *x, int8_t *y, int n, float scale, int zero) {
    int i;
    for (i = 0; i < n; i++) {
        float q = x[i] / scale;
        q = (q < 0.0f ? ceilf(q - 0.5f) : floorf(q + 0.5f)) + (float)zero;
        y[i] = q != q ? (int8_t)zero : q < -128.0f ? -128 : q > 127.0f ? 127 : (int8_t)q;
    }
}

static void phx_dequantize(const int8_t *x, float *y, int n, float scale, int zero) {
    int i;
    for (i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * scale;
}
#endif

#ifdef USE_DENSE_INT8
static void phx_dense_int8(const int32_t *p, const int8_t *x, int n, int8_t *y, int m, const int *z, int has_table) {
    const int8_t *weight = (const int8_t *)(p + 3 * m), *table = weight + (n * m + 3) / 4 * 4;
    int i, j;
    for (i = 0; i < m; i++) {
        int block = i / LANES * LANES, whole = block + LANES <= m, step = whole ? LANES : 1;
        const int8_t *w = weight + block * n + (whole ? i - block : (i - block) * n);
        int32_t sum = p[i];
        for (j = 0; j < n; j++) sum += w[j * step] * (x[j] - z[0]);
        y[i] = phx_finish(sum, p + m + 2 * i, z, has_table ? table : 0);
    }
}
#endif

#ifdef USE_CONV_INT8
static void phx_conv_int8(const int32_t *p, const int8_t *x, const phx_windows *w, int8_t *y, int m, const int *z, int has_table) {
    int across = phx_across(w, w->width), windows = phx_across(w, w->height) * across;
    int n = w->kernel * w->kernel * w->channels, window, filter, i, j, c, at;
    const int8_t *weight = (const int8_t *)(p + 3 * m), *table = weight + (n * m + 3) / 4 * 4;
    for (window = 0; window < windows; window++) {
        int row = window / across * w->stride, column = window % across * w->stride;
        for (filter = 0; filter < m; filter++) {
            int block = filter / LANES * LANES, whole = block + LANES <= m, step = whole ? LANES : 1;
            const int8_t *own = weight + block * n + (whole ? filter - block : (filter - block) * n);
            int32_t sum = p[filter];
            for (i = 0; i < w->kernel; i++)
                for (j = 0; j < w->kernel; j++)
                    for (c = 0; c < w->channels; c++) {
                        int k = w->first ? (c * w->kernel + i) * w->kernel + j : (i * w->kernel + j) * w->channels + c;
                        at = phx_at(w, row, column, i, j, c);
                        if (at >= 0) sum += own[k * step] * (x[at] - z[0]);
                    }
            y[window * m + filter] = phx_finish(sum, p + m + 2 * filter, z, has_table ? table : 0);
        }
    }
}
#endif

#ifdef USE_OPTION
/* The option that a number stands for: always one of them. */
static int phx_option(float x, int options) {
    return !(x > 0.0f) ? 0 : x >= (float)options ? options - 1 : (int)x;
}
#endif

#ifdef USE_CHOICE
/* The legal option with the largest output, or -1. */
static int phx_choice(const float *x, const float *mask, int n) {
    int i, best = -1;
    for (i = 0; i < n; i++)
        if ((!mask || mask[i] != 0.0f) && (best < 0 || x[i] > x[best])) best = i;
    return best;
}
#endif
