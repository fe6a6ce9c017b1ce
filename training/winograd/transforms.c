/* What moves tiles about for F(SIZE x SIZE, 3x3): Lavin and Gray, arXiv 1509.09308. `points.py` gives the tables.
 *
 * Images are (count, height, width, channels), tiles are (taps, tiles, channels), all contiguous fp32, and channels a
 * multiple of LANES, which the compiler is told. Every function handles `count` tiles from number `first` on, counted
 * along rows of tiles, rows and images. What lies outside of an image is 0 when it is read, and is not written.
 */
#include <stdint.h>
#include <string.h>

#define TAPS (SIZE + 2)
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

typedef struct {
    int64_t height, width, channels, down, across;
} shape;

typedef void transform(const lanes *in, lanes *out);

static const float powers[PAIRS][SIZE] = POWERS, parts[PAIRS][PAIRS] = PARTS, whole[PAIRS + 1] = WHOLE;

INLINE lanes load(const float *from) {
    lanes read;
    memcpy(&read, from, sizeof read); /* may be unaligned */
    return read;
}

INLINE void store(float *to, lanes value) { memcpy(to, &value, sizeof value); }

/* One dimension of each transform. */

/* TAPS pixels to TAPS. */
INLINE void to_tile(const lanes *in, lanes *out) {
    UNROLL for (int pair = 0; pair < PAIRS; pair++) {
        lanes even = {0}, odd = {0};
        UNROLL for (int k = 0; k < PAIRS; k++) {
            even += parts[pair][k] * in[ZERO + 2 * k];
            odd += parts[pair][k] * in[ZERO + 2 * k + 1];
        }
        out[2 * pair] = odd + powers[pair][1] * even;
        out[2 * pair + 1] = odd - powers[pair][1] * even;
    }
    lanes end = {0}, zero = {0};
    UNROLL for (int k = 0; k <= PAIRS; k++) {
        end += whole[k] * in[ZERO + 2 * k];
        if (ZERO) zero += whole[k] * in[2 * k];
    }
    if (ZERO) out[2 * PAIRS] = zero;
    out[TAPS - 1] = end;
}

/* The other way, for gradients: what to_tile makes of one place, summed over where it went. */
INLINE void from_tile(const lanes *in, lanes *out) {
    lanes sums[PAIRS], differences[PAIRS];
    UNROLL for (int pair = 0; pair < PAIRS; pair++) {
        sums[pair] = in[2 * pair] + in[2 * pair + 1];
        differences[pair] = powers[pair][1] * (in[2 * pair] - in[2 * pair + 1]);
    }
    UNROLL for (int place = 0; place < TAPS; place++) out[place] = (lanes){0};
    UNROLL for (int k = 0; k < PAIRS; k++) {
        UNROLL for (int pair = 0; pair < PAIRS; pair++) {
            out[ZERO + 2 * k] += parts[pair][k] * differences[pair];
            out[ZERO + 2 * k + 1] += parts[pair][k] * sums[pair];
        }
    }
    UNROLL for (int k = 0; k <= PAIRS; k++) {
        if (ZERO) out[2 * k] += whole[k] * in[2 * PAIRS];
        out[ZERO + 2 * k] += whole[k] * in[TAPS - 1];
    }
}

/* TAPS products to SIZE pixels. */
INLINE void to_pixel(const lanes *in, lanes *out) {
    lanes sums[PAIRS], differences[PAIRS];
    UNROLL for (int pair = 0; pair < PAIRS; pair++) {
        sums[pair] = in[2 * pair] + in[2 * pair + 1];
        differences[pair] = in[2 * pair] - in[2 * pair + 1];
    }
    UNROLL for (int pixel = 0; pixel < SIZE; pixel++) {
        lanes sum = {0};
        UNROLL for (int pair = 0; pair < PAIRS; pair++)
            sum += powers[pair][pixel] * (pixel % 2 ? differences[pair] : sums[pair]);
        out[pixel] = sum;
    }
    if (ZERO) out[0] += in[2 * PAIRS];
    out[SIZE - 1] += in[TAPS - 1];
}

/* The other way: SIZE gradients to TAPS. */
INLINE void of_gradient(const lanes *in, lanes *out) {
    UNROLL for (int pair = 0; pair < PAIRS; pair++) {
        lanes even = {0}, odd = {0};
        UNROLL for (int pixel = 0; pixel < SIZE; pixel += 2) even += powers[pair][pixel] * in[pixel];
        UNROLL for (int pixel = 1; pixel < SIZE; pixel += 2) odd += powers[pair][pixel] * in[pixel];
        out[2 * pair] = even + odd;
        out[2 * pair + 1] = even - odd;
    }
    if (ZERO) out[2 * PAIRS] = in[0];
    out[TAPS - 1] = in[SIZE - 1];
}

/* Pixels to the tile whose positions lie `apart`: `side` squared of `image` from (top, left) on, and from `nothing`
 * where there are none. */
INLINE void write_tile(transform one, int side, const float *image, int64_t top, int64_t left, const float *nothing,
                       float *tile, int64_t apart, shape s) {
    const float *places[TAPS][TAPS]; /* by column, as everything below */
    for (int column = 0; column < side; column++)
        for (int row = 0; row < side; row++) {
            int64_t y = top + row, x = left + column;
            int inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
            places[column][row] = inside ? image + (y * s.width + x) * s.channels : nothing;
        }
    for (int64_t c = 0; c < s.channels; c += LANES) {
        lanes grid[TAPS][TAPS];
        for (int column = 0; column < side; column++) {
            lanes in[TAPS];
            UNROLL for (int row = 0; row < side; row++) in[row] = load(places[column][row] + c);
            one(in, grid[column]);
        }
        for (int row = 0; row < TAPS; row++) {
            lanes in[TAPS], out[TAPS];
            UNROLL for (int column = 0; column < side; column++) in[column] = grid[column][row];
            one(in, out);
            float *to = tile + row * TAPS * apart + c;
            UNROLL for (int column = 0; column < TAPS; column++) store(to + column * apart, out[column]);
        }
    }
}

/* A function from pixels to tiles, `border` more than SIZE on every side. */
#define FROM_PIXELS(name, one, border)                                                                               \
    void name(const float *pixels, float *tiles, int64_t first, int64_t count, shape s) {                            \
        _Pragma("omp parallel")                                                                                      \
        {                                                                                                            \
            float nothing[s.channels];                                                                               \
            memset(nothing, 0, sizeof nothing);                                                                      \
            _Pragma("omp for schedule(static)")                                                                      \
            for (int64_t tile = 0; tile < count; tile++) {                                                           \
                int64_t at = first + tile, image = at / (s.down * s.across);                                         \
                int64_t top = at / s.across % s.down * SIZE - (border), left = at % s.across * SIZE - (border);      \
                write_tile(one, SIZE + 2 * (border), pixels + image * s.height * s.width * s.channels, top, left,    \
                           nothing, tiles + tile * s.channels, count * s.channels, s);                               \
            }                                                                                                        \
        }                                                                                                            \
    }

FROM_PIXELS(to_tiles, to_tile, 1)
FROM_PIXELS(of_gradients, of_gradient, 0)

/* LANES channels of a tile, both dimensions, into `side` columns of `side` places. */
INLINE void read_tile(transform one, int side, const float *tile, int64_t apart, lanes grid[TAPS][TAPS]) {
    lanes rows[TAPS][TAPS];
    for (int row = 0; row < TAPS; row++) {
        lanes in[TAPS];
        UNROLL for (int column = 0; column < TAPS; column++) in[column] = load(tile + (row * TAPS + column) * apart);
        one(in, rows[row]);
    }
    for (int column = 0; column < side; column++) {
        lanes in[TAPS];
        UNROLL for (int row = 0; row < TAPS; row++) in[row] = rows[row][column];
        one(in, grid[column]);
    }
}

/* Products to pixels; `bias` has one number per channel, and is added. */
void to_pixels(const float *tiles, float *pixels, const float *bias, int64_t first, int64_t count, shape s) {
#pragma omp parallel for schedule(static)
    for (int64_t tile = 0; tile < count; tile++) {
        int64_t at = first + tile, image = at / (s.down * s.across);
        int64_t top = at / s.across % s.down * SIZE, left = at % s.across * SIZE;
        for (int64_t c = 0; c < s.channels; c += LANES) {
            lanes grid[TAPS][TAPS], added = load(bias + c);
            read_tile(to_pixel, SIZE, tiles + tile * s.channels + c, count * s.channels, grid);
            for (int row = 0; row < SIZE && top + row < s.height; row++)
                for (int column = 0; column < SIZE && left + column < s.width; column++)
                    store(pixels + ((image * s.height + top + row) * s.width + left + column) * s.channels + c,
                          grid[column][row] + added);
        }
    }
}

/* Gradients of tiles to those of pixels, which lie in up to four tiles. Takes whole images, one thread each. */
void from_tiles(const float *tiles, float *pixels, int64_t first, int64_t count, shape s) {
    int64_t each = s.down * s.across, numbers = s.height * s.width * s.channels;
#pragma omp parallel for schedule(static)
    for (int64_t image = 0; image < count / each; image++) {
        float *whole_image = pixels + (first / each + image) * numbers;
        memset(whole_image, 0, numbers * sizeof(float));
        for (int64_t tile = image * each; tile < (image + 1) * each; tile++) {
            int64_t top = tile / s.across % s.down * SIZE - 1, left = tile % s.across * SIZE - 1;
            for (int64_t c = 0; c < s.channels; c += LANES) {
                lanes grid[TAPS][TAPS];
                read_tile(from_tile, TAPS, tiles + tile * s.channels + c, count * s.channels, grid);
                for (int row = 0; row < TAPS; row++)
                    for (int column = 0; column < TAPS; column++) {
                        int64_t y = top + row, x = left + column;
                        if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;
                        float *place = whole_image + (y * s.width + x) * s.channels + c;
                        store(place, load(place) + grid[column][row]);
                    }
            }
        }
    }
}
