/*
 * The board: Arm MPS2 with the AN385 image (Cortex-M3), which QEMU emulates as mps2-an385.
 *
 * Another board needs this header's functions, a start-up and a linker script of its own; main.c,
 * page.c and rig.c stay as they are.
 */
#ifndef MESO_FIRMWARE_BOARD_H
#define MESO_FIRMWARE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_MODEL "MESO-MPS2"

/* The most that board_link_write takes at once; a frame of the link is never longer. */
#define BOARD_LINK_BYTES_MAX 258

/* Starts clock, both UARTs and the timer that wakes from sleep. */
void board_start(void);

/*
 * Microseconds since the start, from a free-running hardware counter of 32 bits: never from
 * counted interrupts, which come late or not at all. To be called at least once in 71 minutes,
 * and not from an interrupt.
 */
uint64_t board_now_us(void);

/*
 * The next byte of the link, and in `at_us` when it came; false where none waits. What comes
 * while 512 bytes wait is dropped and counted.
 */
bool board_link_read(uint8_t *byte, uint64_t *at_us);

/* Whether all bytes of earlier writes have left. */
bool board_link_is_idle(void);

/* Queues at most BOARD_LINK_BYTES_MAX bytes for the link; to be called only while it is idle. */
void board_link_write(const uint8_t *bytes, size_t length);

/* Bytes of the link that were dropped because nobody took those before; stops at its end. */
uint32_t board_link_dropped(void);

/* The next byte of the test rig's port; false where none waits. */
bool board_rig_read(uint8_t *byte);

/* Sends a byte to the test rig's port, and waits until it can. */
void board_rig_write(uint8_t byte);

/* The light at the handle. */
void board_light(bool on);

/* Sleeps until an interrupt, at most 2 ms; returns at once where a byte waits. */
void board_sleep(void);

/* Where the image begins in the address space, and how many bytes it has. */
const uint8_t *board_image(size_t *length);

#endif
