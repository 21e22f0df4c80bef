/* From reset to main: vectors, memory, and the functions that a compiler relies on. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int main(void);

void link_rx_interrupt(void);
void link_tx_interrupt(void);
void rig_rx_interrupt(void);
void systick_interrupt(void);
void fault_interrupt(void);
void reset_interrupt(void);

extern uint8_t stack_top[], data_begin[], data_end[], data_image[], bss_begin[], bss_end[];

/* Compiled with -fno-tree-loop-distribute-patterns, or these would call themselves. */
void *memcpy(void *to, const void *from, size_t length) {
    uint8_t *out = to;
    const uint8_t *in = from;
    while (length-- > 0) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t length) {
    uint8_t *out = to;
    while (length-- > 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t length) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if (out <= in) {
        return memcpy(to, from, length);
    }
    while (length-- > 0) {
        out[length] = in[length];
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t length) {
    const uint8_t *a = left, *b = right;
    for (; length > 0; length--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

int strncmp(const char *left, const char *right, size_t length) {
    for (; length > 0; length--, left++, right++) {
        if (*left != *right || *left == '\0') {
            return (uint8_t)*left - (uint8_t)*right;
        }
    }
    return 0;
}

void reset_interrupt(void) {
    /* .retained is neither cleared nor copied: what it held before the reset is looked at. */
    memcpy(data_begin, data_image, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    (void)main();
    fault_interrupt();
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector VECTORS[16 + 3] = {
    [0] = (vector)stack_top,     [1] = reset_interrupt,    [2] = fault_interrupt,
    [3] = fault_interrupt,       [4] = fault_interrupt,    [5] = fault_interrupt,
    [6] = fault_interrupt,       [11] = fault_interrupt,   [12] = fault_interrupt,
    [14] = fault_interrupt,      [15] = systick_interrupt, [16 + 0] = link_rx_interrupt,
    [16 + 1] = link_tx_interrupt, [16 + 2] = rig_rx_interrupt,
};
