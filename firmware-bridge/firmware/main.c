/*
 * The reference firmware of the meso link: all that a gun's firmware has to do for the link, on a
 * board that everybody has, because QEMU emulates it. Needle, sensors and trigger are simulated
 * (rig.c); a maker puts his own in their place.
 */
#include <string.h>

#include "../meso_link.h"
#include "../meso_sha256.h"
#include "board.h"
#include "page.h"
#include "random.h"
#include "rig.h"

#define FIRMWARE_VERSION "0.1.0"

/* 4096 shots bridge 7.5 minutes at nine a second. */
#define RING_SLOTS_MAX 4096

/* How often the housekeeping that STATUS tells is renewed. */
#define SENSE_INTERVAL_US 500000U
#define BLINK_INTERVAL_US 250000U

/* Bits of STATUS.faults. */
#define FAULT_NO_PAGE 1U
#define FAULT_BYTES_DROPPED 2U

/* Neither cleared nor loaded at a start: what a reset must not take. */
static struct {
    struct meso_retained book;
    struct meso_record ring[RING_SLOTS_MAX];
    uint32_t boot_count;
    uint32_t boot_count_check; /* its complement */
} retained __attribute__((section(".retained")));

static struct page page;
static struct meso_config config;
static struct meso_gun gun;
static char serial[MESO_TEXT_BYTES + 1];
static bool has_page;
static uint64_t sensed_at_us, blinks_until_us;

/// What the library asks for ///

static uint64_t now_us(void *context) {
    (void)context;
    return board_now_us();
}

static size_t room(void *context) {
    (void)context;
    /* Not while earlier bytes wait: the time answer would say that it went out before it did. */
    return board_link_is_idle() ? BOARD_LINK_BYTES_MAX : 0;
}

static void write_frame(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    board_link_write(bytes, length);
}

static void identify(void *context, uint8_t seconds) {
    (void)context;
    blinks_until_us = board_now_us() + seconds * 1000000ULL;
}

/// Start ///

static uint32_t count_boot(void) {
    if (retained.boot_count_check != ~retained.boot_count) {
        retained.boot_count = 0;
    }
    retained.boot_count++;
    retained.boot_count_check = ~retained.boot_count;
    return retained.boot_count;
}

static void hash_image(uint8_t hash[8]) {
    uint8_t digest[MESO_SHA256_BYTES];
    size_t length;
    const uint8_t *image = board_image(&length);
    meso_sha256(image, length, digest);
    memcpy(hash, digest, 8);
}

static void fill_config(void) {
    memcpy(serial, page.serial, sizeof page.serial);
    config.now_us = now_us;
    config.room = room;
    config.write = write_frame;
    config.settings_read = rig_settings;
    config.identify = identify;
    config.random = random_fill;
    config.key = (page.options & PAGE_HAS_KEY) != 0 ? page.key : NULL;
    config.serial = serial;
    config.model = BOARD_MODEL;
    config.firmware = FIRMWARE_VERSION;
    hash_image(config.firmware_hash);
    random_start(page.entropy, config.boot_count);
    random_fill(NULL, (uint8_t *)&config.boot_id, sizeof config.boot_id);
    /* Not MESO_CAN_KEEP_RING: the ring outlives a reset, and no power cut. */
    config.capabilities = MESO_CAN_SENSE_DEPTH | MESO_CAN_SENSE_VOLUME | MESO_CAN_TELL_PURPOSE |
                          MESO_CAN_INHIBIT | MESO_CAN_SET_LIMITS | MESO_CAN_IDENTIFY;
    if ((page.options & PAGE_SENSES_PRESSURE) != 0) {
        config.capabilities |= MESO_CAN_SENSE_PRESSURE;
    }
    config.limits.depth_max_um = page.depth_max_um;
    config.limits.volume_max_nl = page.volume_max_nl;
    config.limits.frequency_max_spm = (uint16_t)page.frequency_max_spm;
    config.lease_loss = (page.options & PAGE_LEASE_LOSS_INHIBITS) != 0
                            ? MESO_LEASE_LOSS_INHIBIT
                            : MESO_LEASE_LOSS_CONTINUE;
    config.retained = &retained.book;
    config.ring = retained.ring;
    config.ring_slots = page.ring_slots <= RING_SLOTS_MAX ? page.ring_slots : RING_SLOTS_MAX;
}

/// The main loop ///

static void receive(void) {
    /* Frame by frame, each with the time of its last byte. */
    uint8_t bytes[64];
    size_t length = 0;
    uint64_t at_us = 0;
    while (board_link_read(&bytes[length], &at_us)) {
        length++;
        if (bytes[length - 1] == MESO_DELIMITER || length == sizeof bytes) {
            meso_gun_receive(&gun, bytes, length, at_us);
            length = 0;
        }
    }
    if (length > 0) {
        meso_gun_receive(&gun, bytes, length, at_us);
    }
}

static void sense_self(void) {
    uint64_t now = board_now_us();
    board_light(now < blinks_until_us && now / BLINK_INTERVAL_US % 2 == 0);
    if (now < sensed_at_us) {
        return;
    }
    sensed_at_us = now + SENSE_INTERVAL_US;
    struct meso_housekeeping self;
    memset(&self, 0, sizeof self);
    self.battery_mv = 3900;
    self.temperature_mc = 31500;
    self.shots_on_needle = rig_shots_on_needle();
    self.present =
        MESO_STATUS_HAS_BATTERY | MESO_STATUS_HAS_TEMPERATURE | MESO_STATUS_HAS_SHOTS_ON_NEEDLE;
    self.faults = (has_page ? 0 : FAULT_NO_PAGE) |
                  (board_link_dropped() > 0 ? FAULT_BYTES_DROPPED : 0);
    meso_gun_set_housekeeping(&gun, &self);
}

int main(void) {
    board_start();
    has_page = page_read(&page);
    config.boot_count = count_boot();
    fill_config();
    int started = meso_gun_start(&gun, &config);
    if (started < 0) {
        /* A page that is whole and says what cannot be: better a gun without a name than none. */
        has_page = false;
        page_blank(&page);
        fill_config();
        started = meso_gun_start(&gun, &config);
    }
    rig_start(&gun, &page, &config, started == 1);
    for (;;) {
        receive();
        rig_run(&gun);
        sense_self();
        while (meso_gun_poll(&gun) > 0) {
        }
        board_sleep();
    }
}
