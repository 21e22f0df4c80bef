/*
 * The provisioning page: what makes one gun of many equal ones. It is written once, when the gun
 * is made, to `page_memory` of the linker script; the firmware only reads it.
 */
#ifndef MESO_FIRMWARE_PAGE_H
#define MESO_FIRMWARE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_MAGIC 0x4750534DU /* "MSPG" */
#define PAGE_VERSION 1
#define PAGE_BYTES 160

/* Bits of `options`. */
#define PAGE_HAS_KEY 1U            /* `key` counts */
#define PAGE_LEASE_LOSS_INHIBITS 2U /* else the gun goes on without its host */
#define PAGE_FIRES_WITHOUT_EPOCH 4U /* else it waits for its first epoch */
#define PAGE_SENSES_PRESSURE 8U

/* As it lies in memory: little-endian, no gaps. */
struct page {
    uint32_t magic;
    uint16_t version;
    uint16_t bytes;          /* PAGE_BYTES */
    char serial[16];         /* 1 to 16 of A-Z 0-9 -, the rest zeros */
    uint8_t key[32];
    uint8_t entropy[32];     /* different at each start of the emulator; see random.c */
    uint32_t options;
    uint32_t ring_slots;     /* 1 to 4096 */
    uint32_t depth_max_um;   /* limits in force at start; 0 = none */
    uint32_t volume_max_nl;
    uint32_t frequency_max_spm;
    /* The simulated gun: what its sensors and its trigger do. */
    uint32_t seed;
    uint32_t period_us;      /* 0 = it fires only when the test rig says so */
    uint32_t depth_set_um;
    uint32_t volume_set_nl;
    uint32_t frequency_set_spm;
    uint32_t breach_one_in;  /* one shot of so many is too deep; 0 = none */
    uint8_t reserved[24];    /* zeros */
    uint32_t check;          /* meso_crc32 of all before it */
};

/* Reads the page into `page`; false where none was written, and then it is a blank one. */
bool page_read(struct page *page);

/* The page of a gun without a name: serial number UNPROVISIONED, no key, and no shot. */
void page_blank(struct page *page);

#endif
