/* What the fuzz targets share: a check that ends the run, and a way to make a frame. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../meso_link.h"

static inline void check(bool holds, const char *what, int line) {
    if (!holds) {
        fprintf(stderr, "line %d: %s\n", line, what);
        abort();
    }
}

#define MUST(condition) check((condition), #condition, __LINE__)

/*
 * Checksum and COBS, written apart from the library: wraps the first MESO_FRAME_BYTES_MAX -
 * MESO_CRC_BYTES bytes between two delimiters; `wire` has room for MESO_ENCODED_BYTES_MAX + 2.
 * Returns the length.
 */
static inline size_t wrap(const uint8_t *plain, size_t length, uint8_t *wire) {
    size_t code_at = 1;
    size_t to = 2;
    if (length > MESO_FRAME_BYTES_MAX - MESO_CRC_BYTES) {
        length = MESO_FRAME_BYTES_MAX - MESO_CRC_BYTES;
    }
    uint32_t crc = meso_crc32(plain, length);
    wire[0] = MESO_DELIMITER;
    for (size_t i = 0; i < length + MESO_CRC_BYTES; i++) {
        uint8_t byte = i < length ? plain[i] : (uint8_t)(crc >> (8 * (i - length)));
        if (to - code_at == 255) {
            wire[code_at] = 255;
            code_at = to++;
        }
        if (byte == 0) {
            wire[code_at] = (uint8_t)(to - code_at);
            code_at = to++;
        } else {
            wire[to++] = byte;
        }
    }
    wire[code_at] = (uint8_t)(to - code_at);
    wire[to++] = MESO_DELIMITER;
    return to;
}

#endif
