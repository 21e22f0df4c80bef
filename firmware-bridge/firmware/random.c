#include "random.h"

#include <string.h>

#include "../meso_sha256.h"

/* What SHA-256 is taken of for each block: the entropy, the start, and how many came before. */
static struct {
    uint8_t entropy[32];
    uint32_t start;
    uint32_t block;
} state;

void random_start(const uint8_t entropy[32], uint32_t start) {
    memcpy(state.entropy, entropy, sizeof state.entropy);
    state.start = start;
    state.block = 0;
}

void random_fill(void *context, uint8_t *bytes, size_t length) {
    (void)context;
    while (length > 0) {
        uint8_t block[MESO_SHA256_BYTES];
        size_t part = length < sizeof block ? length : sizeof block;
        state.block++;
        meso_sha256((const uint8_t *)&state, sizeof state, block);
        memcpy(bytes, block, part);
        bytes += part;
        length -= part;
    }
}
