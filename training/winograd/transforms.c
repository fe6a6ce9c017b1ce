/* What moves tiles about for F(4x4, 3x3) and F(2x2, 3x3): Lavin and Gray, arXiv 1509.09308, with the points 0, 1, -1,
 * 2, -2 and infinity.
 *
 * Images are (count, height, width, channels), tiles are (taps, tiles, channels), all contiguous fp32, and channels a
 * multiple of LANES, which the compiler is told. Every function handles `count` tiles from number `first` on, counted
 * along rows of tiles, rows and images. What lies outside of an image is 0 when it is read, and is not written.
 */
#include <stdint.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t height, width, channels, down, across;
} shape;

INLINE lanes load(const float *from) {
    lanes read;
    memcpy(&read, from, sizeof read); /* may be unaligned */
    return read;
}

INLINE void store(float *to, lanes value) { memcpy(to, &value, sizeof value); }

/* Where a pixel's channels begin. */
INLINE int64_t pixel(shape s, int64_t image, int64_t y, int64_t x) {
    return ((image * s.height + y) * s.width + x) * s.channels;
}

/* Channels `c` to `c + LANES` of one of `count` tiles, into a grid of 6x6 places. */
INLINE void read_tile(const float *tiles, lanes *grid, int side, int64_t count, int64_t tile, int64_t c, shape s) {
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++)
            grid[6 * row + column] = load(tiles + ((row * side + column) * count + tile) * s.channels + c);
}

/* One dimension of each transform: `in` and `out` are read and written at every `step`-th place. */

INLINE void to_tile_4(const lanes *in, lanes *out, int step) {
    lanes d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step], d4 = in[4 * step], d5 = in[5 * step];
    lanes even = d4 - 4 * d2, odd = d3 - 4 * d1, near = d4 - d2, far = 2 * (d3 - d1);
    out[0] = 4 * d0 - 5 * d2 + d4;
    out[step] = even + odd;
    out[2 * step] = even - odd;
    out[3 * step] = near + far;
    out[4 * step] = near - far;
    out[5 * step] = 4 * d1 - 5 * d3 + d5;
}

INLINE void to_tile_2(const lanes *in, lanes *out, int step) {
    lanes d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step];
    out[0] = d0 - d2;
    out[step] = d1 + d2;
    out[2 * step] = d2 - d1;
    out[3 * step] = d1 - d3;
}

/* The other way, for gradients: what to_tile makes of one place, summed over where it went. */

INLINE void from_tile_4(const lanes *in, lanes *out, int step) {
    lanes v0 = in[0], v5 = in[5 * step];
    lanes ones = in[step] + in[2 * step], signs = in[step] - in[2 * step];
    lanes twos = in[3 * step] + in[4 * step], two_signs = in[3 * step] - in[4 * step];
    out[0] = 4 * v0;
    out[step] = 4 * (v5 - signs) - 2 * two_signs;
    out[2 * step] = -5 * v0 - 4 * ones - twos;
    out[3 * step] = signs + 2 * two_signs - 5 * v5;
    out[4 * step] = v0 + ones + twos;
    out[5 * step] = v5;
}

INLINE void from_tile_2(const lanes *in, lanes *out, int step) {
    lanes v0 = in[0], v1 = in[step], v2 = in[2 * step], v3 = in[3 * step];
    out[0] = v0;
    out[step] = v1 - v2 + v3;
    out[2 * step] = v1 + v2 - v0;
    out[3 * step] = -v3;
}

INLINE void to_pixel_4(const lanes *in, lanes *out, int step) {
    lanes m0 = in[0], m5 = in[5 * step];
    lanes ones = in[step] + in[2 * step], signs = in[step] - in[2 * step];
    lanes twos = in[3 * step] + in[4 * step], two_signs = in[3 * step] - in[4 * step];
    out[0] = m0 + ones + twos;
    out[step] = signs + 2 * two_signs;
    out[2 * step] = ones + 4 * twos;
    out[3 * step] = signs + 8 * two_signs + m5;
}

INLINE void to_pixel_2(const lanes *in, lanes *out, int step) {
    lanes m0 = in[0], m1 = in[step], m2 = in[2 * step], m3 = in[3 * step];
    out[0] = m0 + m1 + m2;
    out[step] = m1 - m2 - m3;
}

INLINE void of_gradient_4(const lanes *in, lanes *out, int step) {
    lanes y0 = in[0], y1 = in[step], y2 = in[2 * step], y3 = in[3 * step];
    lanes even = y0 + y2, odd = y1 + y3, far_even = y0 + 4 * y2, far_odd = 2 * y1 + 8 * y3;
    out[0] = y0;
    out[step] = even + odd;
    out[2 * step] = even - odd;
    out[3 * step] = far_even + far_odd;
    out[4 * step] = far_even - far_odd;
    out[5 * step] = y3;
}

INLINE void of_gradient_2(const lanes *in, lanes *out, int step) {
    lanes y0 = in[0], y1 = in[step];
    out[0] = y0;
    out[step] = y0 + y1;
    out[2 * step] = y0 - y1;
    out[3 * step] = -y1;
}

/* Both dimensions: every column of a grid of 6x6 places, then every row. `before` and `after` are sides. */
#define BOTH_WAYS(one, grid, before, after)                                                                          \
    for (int column = 0; column < (before); column++) one((grid) + column, (grid) + column, 6);                      \
    for (int row = 0; row < (after); row++) one((grid) + 6 * row, (grid) + 6 * row, 1);

/* Pixels to tiles: `side` squared places from `border` before the tile's own `size` squared. */
#define FROM_PIXELS(name, one, size, side, border)                                                                   \
    void name(const float *pixels, float *tiles, int64_t first, int64_t count, shape s) {                            \
        _Pragma("omp parallel for schedule(static)")                                                                 \
        for (int64_t tile = 0; tile < count; tile++) {                                                               \
            int64_t at = first + tile, image = at / (s.down * s.across);                                             \
            int64_t top = at / s.across % s.down * (size) - (border), left = at % s.across * (size) - (border);      \
            for (int64_t c = 0; c < s.channels; c += LANES) {                                                        \
                lanes grid[36];                                                                                      \
                for (int row = 0; row < (side); row++)                                                               \
                    for (int column = 0; column < (side); column++) {                                                \
                        int64_t y = top + row, x = left + column;                                                    \
                        int inside = y >= 0 && y < s.height && x >= 0 && x < s.width;                                \
                        grid[6 * row + column] =                                                                     \
                            inside ? load(pixels + pixel(s, image, y, x) + c)                                        \
                                   : (lanes){0};                                                                     \
                    }                                                                                                \
                BOTH_WAYS(one, grid, side, (size) + 2)                                                               \
                for (int row = 0; row < (size) + 2; row++)                                                           \
                    for (int column = 0; column < (size) + 2; column++)                                              \
                        store(tiles + ((row * ((size) + 2) + column) * count + tile) * s.channels + c,               \
                              grid[6 * row + column]);                                                               \
            }                                                                                                        \
        }                                                                                                            \
    }

FROM_PIXELS(to_tiles_4, to_tile_4, 4, 6, 1)
FROM_PIXELS(to_tiles_2, to_tile_2, 2, 4, 1)
FROM_PIXELS(of_gradients_4, of_gradient_4, 4, 4, 0)
FROM_PIXELS(of_gradients_2, of_gradient_2, 2, 2, 0)

/* Products to pixels; `bias` has one number per channel, and is added. */
#define TO_PIXELS(name, one, size)                                                                                   \
    void name(const float *tiles, float *pixels, const float *bias, int64_t first, int64_t count, shape s) {         \
        _Pragma("omp parallel for schedule(static)")                                                                 \
        for (int64_t tile = 0; tile < count; tile++) {                                                               \
            int64_t at = first + tile, image = at / (s.down * s.across);                                             \
            int64_t top = at / s.across % s.down * (size), left = at % s.across * (size);                            \
            for (int64_t c = 0; c < s.channels; c += LANES) {                                                        \
                lanes grid[36], added = load(bias + c);                                                              \
                read_tile(tiles, grid, (size) + 2, count, tile, c, s);                                               \
                BOTH_WAYS(one, grid, (size) + 2, size)                                                               \
                for (int row = 0; row < (size) && top + row < s.height; row++)                                       \
                    for (int column = 0; column < (size) && left + column < s.width; column++)                       \
                        store(pixels + pixel(s, image, top + row, left + column) + c,                                \
                              grid[6 * row + column] + added);                                                       \
            }                                                                                                        \
        }                                                                                                            \
    }

TO_PIXELS(to_pixels_4, to_pixel_4, 4)
TO_PIXELS(to_pixels_2, to_pixel_2, 2)

/* Gradients of tiles to those of pixels, which lie in up to four tiles. Takes whole images, one thread each. */
#define FROM_TILES(name, one, size)                                                                                  \
    void name(const float *tiles, float *pixels, int64_t first, int64_t count, shape s) {                            \
        int64_t each = s.down * s.across, numbers = s.height * s.width * s.channels;                                 \
        _Pragma("omp parallel for schedule(static)")                                                                 \
        for (int64_t image = 0; image < count / each; image++) {                                                     \
            memset(pixels + pixel(s, first / each + image, 0, 0), 0, numbers * sizeof(float));                       \
            for (int64_t tile = image * each; tile < (image + 1) * each; tile++) {                                   \
                int64_t top = tile / s.across % s.down * (size) - 1, left = tile % s.across * (size) - 1;            \
                for (int64_t c = 0; c < s.channels; c += LANES) {                                                    \
                    lanes grid[36];                                                                                  \
                    read_tile(tiles, grid, (size) + 2, count, tile, c, s);                                           \
                    BOTH_WAYS(one, grid, (size) + 2, (size) + 2)                                                     \
                    for (int row = 0; row < (size) + 2; row++)                                                       \
                        for (int column = 0; column < (size) + 2; column++) {                                        \
                            int64_t y = top + row, x = left + column;                                                \
                            if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;                           \
                            float *place = pixels + pixel(s, first / each + image, y, x) + c;                        \
                            store(place, load(place) + grid[6 * row + column]);                                      \
                        }                                                                                            \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }

FROM_TILES(from_tiles_4, from_tile_4, 4)
FROM_TILES(from_tiles_2, from_tile_2, 2)
