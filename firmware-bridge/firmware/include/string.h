/* What the library and this firmware need of <string.h>, for a compiler that comes without one. */
#ifndef MESO_FIRMWARE_STRING_H
#define MESO_FIRMWARE_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *left, const void *right, size_t length);
int strncmp(const char *left, const char *right, size_t length);

#endif
