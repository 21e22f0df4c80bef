/*
 * Runs a fuzz target once on each file that is named, without a fuzzer: what a fuzzer once found
 * stays mended. Prints how many files there were.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
    static uint8_t bytes[INPUT_BYTES_MAX];
    for (int i = 1; i < argc; i++) {
        FILE *from = fopen(argv[i], "rb");
        if (from == NULL) {
            fprintf(stderr, "%s cannot be read\n", argv[i]);
            return 2;
        }
        fprintf(stderr, "%s\n", argv[i]);
        size_t length = fread(bytes, 1, sizeof bytes, from);
        fclose(from);
        /* In memory of its own, so that a byte read too far is noticed. */
        uint8_t *data = malloc(length == 0 ? 1 : length);
        memcpy(data, bytes, length);
        (void)LLVMFuzzerTestOneInput(data, length);
        free(data);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
