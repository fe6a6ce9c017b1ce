/* Dropout, and ReLU before it, in one pass over memory each way. All arrays have `count` values; fp32, and one byte
 * per value that says whether it is kept. A thread handles PIECE values at a time.
 */
#include <stdint.h>
#include <string.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* How many bytes are `edge`, in each piece of PIECE bytes. */
void at_edge(const uint8_t *bytes, int64_t count, int64_t *found, uint8_t edge) {
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < (count + PIECE - 1) / PIECE; piece++) {
        int64_t from = piece * PIECE, to = least(count, from + PIECE), sum = 0;
        for (int64_t i = from; i < to; i++) sum += bytes[i] == edge;
        found[piece] = sum;
    }
}

/* Random bytes become 1 where they are above `highest`, else 0. Those that are `highest` become what `chosen` says of
 * them, one after the other; those of a piece begin at `first[piece]`. Without `chosen` they are 0 as well. */
void keep(uint8_t *bytes, int64_t count, uint8_t highest, const uint8_t *chosen, const int64_t *first) {
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < (count + PIECE - 1) / PIECE; piece++) {
        int64_t from = piece * PIECE, to = least(count, from + PIECE);
        uint8_t random[PIECE];
        if (chosen) memcpy(random, bytes + from, to - from);
        for (int64_t i = from; i < to; i++) bytes[i] = bytes[i] > highest;
        if (!chosen) continue;
        const uint8_t *said = chosen + first[piece], *place = random, *end = random + (to - from);
        while ((place = memchr(place, highest, end - place))) bytes[from + (place++ - random)] = *said++;
    }
}

/* What is kept times `scale`, the rest times 0, so that what is not a number shows. */
void drop(const float *in, const uint8_t *kept, float *out, int64_t count, float scale) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) out[i] = in[i] * (kept[i] ? scale : 0.0f);
}

/* The same of the ReLU of `in`. */
void rectify_and_drop(const float *in, const uint8_t *kept, float *out, int64_t count, float scale) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) out[i] = (in[i] < 0.0f ? 0.0f : in[i]) * (kept[i] ? scale : 0.0f);
}

/* The gradient of rectify_and_drop, whose answer says what passed: `out` is above 0 there. */
void of_rectified(const float *gradient, const float *out, float *to, int64_t count, float scale) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) to[i] = gradient[i] * (out[i] <= 0.0f ? 0.0f : scale);
}
