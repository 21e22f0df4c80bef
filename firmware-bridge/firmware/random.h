/* Random numbers of a board without a random generator. */
#ifndef MESO_FIRMWARE_RANDOM_H
#define MESO_FIRMWARE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Seeds the generator; the same `entropy` with another `start` gives other numbers. A product
 * reads its chip's generator instead, or keeps a seed in flash that it replaces at each start.
 */
void random_start(const uint8_t entropy[32], uint32_t start);

/* Fills `length` bytes. `context` is not looked at: the link library hands one to its callbacks. */
void random_fill(void *context, uint8_t *bytes, size_t length);

#endif
