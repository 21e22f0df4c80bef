/* Messages as text, and bytes as hexadecimal, for the tests of the C library. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include <stdio.h>

#include "../meso_link.h"

/* The name of an error as the vectors spell it. */
const char *error_name(int error);

/* `FIELD=VALUE...` in the order of SPEC.md, the name of the kind before it. */
void describe(FILE *to, const struct meso_message *message);

/* Bytes as hexadecimal; `-` for none. */
void print_hex(FILE *to, const uint8_t *bytes, size_t length);

/* Reads hexadecimal up to a space or the end, `-` for none; the bytes read, or -1. */
long parse_hex(const char *text, uint8_t *out, size_t size);

#endif
