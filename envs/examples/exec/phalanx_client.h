/*
 * A simulator's side of docs/protocol.md, in C for little-endian machines. After phalanx_open(), call phalanx_next() in a loop and
 * answer each message with phalanx_answer() or phalanx_error().
 */
#ifndef PHALANX_CLIENT_H
#define PHALANX_CLIENT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PHALANX_CREATE = 1, PHALANX_RESET = 2, PHALANX_STEP = 3, PHALANX_RENDER = 4, PHALANX_CLOSE = 5, PHALANX_CALL = 6 };
enum { PHALANX_ERROR = 255 };
enum { PHALANX_RUNNING = 0, PHALANX_TERMINATED = 1, PHALANX_TRUNCATED = 2 };
enum { PHALANX_DISCRETE = 0, PHALANX_MULTI_DISCRETE = 1, PHALANX_BOX_F32 = 2, PHALANX_BOX_U8 = 3 };

static FILE *phalanx_in, *phalanx_out;

/* The message that came last, and the answer being written. */
static unsigned char phalanx_message[1 << 16], phalanx_body[1 << 16];
static size_t phalanx_length;

/* Opens what was inherited. */
static inline void phalanx_open(void)
{
    const char *in = getenv("PHALANX_IN"), *out = getenv("PHALANX_OUT");
    phalanx_in = in ? fdopen(atoi(in), "rb") : NULL;
    phalanx_out = out ? fdopen(atoi(out), "wb") : NULL;
    if (!phalanx_in || !phalanx_out) {
        fputs("this program is started by phalanx: exec:PROGRAM\n", stderr);
        exit(2);
    }
}

/* Waits for a message, puts its body into phalanx_message with a zero behind it and returns its kind; PHALANX_CLOSE at the end. */
static inline int phalanx_next(void)
{
    uint32_t length;
    unsigned char kind;
    if (fread(&length, 4, 1, phalanx_in) != 1 || fread(&kind, 1, 1, phalanx_in) != 1)
        return PHALANX_CLOSE;
    phalanx_length = 0;
    if (length < 1 || length > sizeof phalanx_message || fread(phalanx_message, 1, length - 1, phalanx_in) != length - 1)
        return PHALANX_CLOSE;
    phalanx_message[length - 1] = 0;
    return kind;
}

/* Adds bytes to the answer. */
static inline void phalanx_put(const void *bytes, size_t count)
{
    if (count == 0)
        return;
    if (count > sizeof phalanx_body - phalanx_length)
        exit(3);
    memcpy(phalanx_body + phalanx_length, bytes, count);
    phalanx_length += count;
}

/* Adds a space to the answer: `bounds` is 0, 1 or the number of elements. */
static inline void phalanx_put_space(uint8_t kind, uint32_t count, const uint32_t *sizes, uint32_t bounds, const float *low, const float *high)
{
    phalanx_put(&kind, 1);
    phalanx_put(&count, 4);
    phalanx_put(sizes, 4 * count);
    phalanx_put(&bounds, 4);
    phalanx_put(low, 4 * bounds);
    phalanx_put(high, 4 * bounds);
}

/* Sends the answer to a message of this kind. */
static inline void phalanx_answer(uint8_t kind)
{
    uint32_t length = 1 + (uint32_t)phalanx_length;
    fwrite(&length, 4, 1, phalanx_out);
    fwrite(&kind, 1, 1, phalanx_out);
    fwrite(phalanx_body, 1, phalanx_length, phalanx_out);
    fflush(phalanx_out);
}

/* Answers that it cannot be had. */
static inline void phalanx_error(const char *text)
{
    phalanx_length = 0;
    phalanx_put(text, strlen(text));
    phalanx_answer(PHALANX_ERROR);
}

#endif
