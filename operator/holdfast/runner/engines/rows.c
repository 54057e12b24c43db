/* Counts the rows in a dump's bytes, 64 at a time: what holdfast/runner/engines/counting.py does where this is not there.
 *
 * Why it is in C, and why it is ours: docs/adr/0037-rows-are-counted-in-c.md. Each function reads data[at..end) and nothing
 * else, keeps nothing, and allocates nothing. What it returns is how far it has read.
 */

#include <stddef.h>
#include <stdint.h>

#define BLOCK 64

#ifdef __SSE2__
#include <emmintrin.h>

/* Bit i is set where data[i] is `what`. */
static inline uint64_t where(const uint8_t *data, uint8_t what)
{
    const __m128i wanted = _mm_set1_epi8((char)what);
    uint64_t mask = 0;
    for (int part = 0; part < BLOCK / 16; part++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * part));
        mask |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)) << (16 * part);
    }
    return mask;
}
#else
static inline uint64_t where(const uint8_t *data, uint8_t what)
{
    uint64_t mask = 0;
    for (int i = 0; i < BLOCK; i++)
        mask |= (uint64_t)(data[i] == what) << i;
    return mask;
}
#endif

static inline size_t bits(uint64_t mask) /* how many are set; the instruction for it is not in every x86-64 */
{
    mask -= mask >> 1 & UINT64_C(0x5555555555555555);
    mask = (mask & UINT64_C(0x3333333333333333)) + (mask >> 2 & UINT64_C(0x3333333333333333));
    mask = (mask + (mask >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (size_t)(mask * UINT64_C(0x0101010101010101) >> 56);
}

static inline size_t first(uint64_t mask) /* which is not empty */
{
    return (size_t)__builtin_ctzll(mask);
}

/* Bits below `i`; i < 64. */
static inline uint64_t below(size_t i)
{
    return ((uint64_t)1 << i) - 1;
}

/* The rows of COPY: lines after data[at], up to a line `\.`. Its line end is where it stops; *ended says whether. */
size_t copy_rows(const uint8_t *data, size_t at, size_t end, size_t *rows, int *ended)
{
    const size_t last = end < 3 ? 0 : end - 3; /* the first place where no `\n\.\n` can begin */
    size_t i = at, counted = 0;

    *ended = 0;
    for (; i + BLOCK < last; i += BLOCK) {
        const uint64_t lines = where(data + i, '\n');
        for (uint64_t may = lines & where(data + i + 1, '\\'); may; may &= may - 1) {
            const size_t bit = first(may);
            if (data[i + bit + 2] == '.' && data[i + bit + 3] == '\n') {
                *ended = 1;
                *rows = counted + bits(lines & below(bit)) + 1 - (data[at] == '\n');
                return i + bit;
            }
        }
        counted += bits(lines);
    }
    for (; i < last; i++) {
        if (data[i] != '\n')
            continue;
        counted++;
        if (data[i + 1] == '\\' && data[i + 2] == '.' && data[i + 3] == '\n') {
            *ended = 1;
            *rows = counted - (data[at] == '\n');
            return i;
        }
    }
    if (at >= last) { /* nothing more can be told */
        *rows = 0;
        return at;
    }
    *rows = counted + (data[last] == '\n') - (data[at] == '\n');
    return last;
}

/* The rows of an INSERT whose rows begin a line each: `\n(`, up to `);\n`, where it stops. */
size_t line_rows(const uint8_t *data, size_t at, size_t end, size_t *rows, int *ended)
{
    const size_t last = end < 2 ? 0 : end - 2; /* the first place where no `);\n` can begin */
    size_t i = at, counted = 0;

    *ended = 0;
    for (; i + BLOCK < last; i += BLOCK) {
        const uint64_t begin = where(data + i, '\n') & where(data + i + 1, '(');
        for (uint64_t may = where(data + i + 1, ';') & where(data + i + 2, '\n'); may; may &= may - 1) {
            const size_t bit = first(may);
            if (data[i + bit] == ')') {
                *ended = 1;
                *rows = counted + bits(begin & below(bit));
                return i + bit;
            }
        }
        counted += bits(begin);
    }
    for (; i < last; i++) {
        if (data[i] == ')' && data[i + 1] == ';' && data[i + 2] == '\n') {
            *ended = 1;
            *rows = counted;
            return i;
        }
        counted += data[i] == '\n' && data[i + 1] == '(';
    }
    *rows = counted;
    return at >= last ? at : last;
}

/* Whether an odd number of the bits up to each is set. */
static inline uint64_t parity(uint64_t mask)
{
    for (int by = 1; by < BLOCK; by *= 2)
        mask ^= mask << by;
    return mask;
}

/* The bits that a backslash before them escapes; *pending: the first one is, and then whether the next block's is. */
static inline uint64_t escaped_by(uint64_t backslashes, int *pending)
{
    uint64_t escaped = (uint64_t)*pending;

    backslashes &= ~escaped;
    *pending = 0;
    while (backslashes) {
        const size_t bit = first(backslashes);
        *pending = bit == BLOCK - 1;
        escaped |= (backslashes & -backslashes) << 1;
        backslashes &= backslashes - 1;
        backslashes &= ~escaped;
    }
    return escaped;
}

/* The rows of an INSERT that is one line: `(` outside of strings. *within: whether data[at] is within one.
 *
 * It stops before a backslash whose other half is not there yet.
 */
size_t text_rows(const uint8_t *data, size_t at, size_t end, size_t *rows, int *within)
{
    size_t i = at, counted = 0;
    int pending = 0;
    uint64_t inside = *within ? ~(uint64_t)0 : 0;

    for (; i + BLOCK <= end; i += BLOCK) {
        const uint64_t backslashes = where(data + i, '\\');
        uint64_t quotes = where(data + i, '\''), begin = where(data + i, '(');
        if (backslashes || pending) {
            const uint64_t escaped = escaped_by(backslashes, &pending);
            quotes &= ~escaped;
            begin &= ~escaped;
        }
        inside ^= parity(quotes);
        counted += bits(begin & ~inside);
        inside = (uint64_t)0 - (inside >> (BLOCK - 1));
    }
    for (; i < end; i++) {
        if (pending)
            pending = 0;
        else if (data[i] == '\\')
            pending = 1;
        else if (data[i] == '\'')
            inside = ~inside;
        else
            counted += data[i] == '(' && !inside;
    }
    *rows = counted;
    *within = inside != 0;
    return end - (size_t)pending;
}
