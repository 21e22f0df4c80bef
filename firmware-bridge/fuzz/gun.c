/*
 * Fuzz target: the gun's whole end of the link. An input is a life of a gun: the first byte says
 * how it is built, then one byte for each thing that happens, followed by what that needs. A byte
 * that is not there is zero. Crates/meso-link-proto/fuzz reads the same inputs; only restarts
 * with damaged memory and a trigger apart from its shot exist here alone. FUZZING.md says more.
 */
#include <string.h>

#include "../meso_link.h"
#include "fuzz.h"

#define SLOTS_MAX 8
/* Frames that a gun may say without anything new happening: its answers and its ring, twice. */
#define FRAMES_MAX 64

static const uint8_t key[MESO_KEY_BYTES] = "the key of every gun under fuzz.";
static struct meso_config config;
static struct meso_retained retained;
static struct meso_record ring[SLOTS_MAX];
static struct meso_gun gun;
static uint64_t clock_us;
static uint32_t host_counter;
static uint8_t draws;

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct input *from) {
    if (from->left == 0) {
        return 0;
    }
    from->left--;
    return *from->at++;
}

static uint16_t take_u16(struct input *from) {
    uint16_t low = take(from);
    return (uint16_t)(low | take(from) << 8);
}

/// Callbacks ///

static uint64_t now_us(void *context) {
    (void)context;
    return clock_us;
}

/* Whatever goes out is one good frame, and in a gun with a key nothing but greetings is bare. */
static void write_frame(void *context, const uint8_t *bytes, size_t length) {
    struct meso_decoder decoder;
    struct meso_frame frame;
    int found = 0;
    (void)context;
    MUST(length >= 1 && length <= MESO_WIRE_BYTES_MAX);
    memset(&decoder, 0, sizeof decoder);
    (void)meso_decoder_push(&decoder, MESO_DELIMITER, &frame);
    for (size_t i = 0; i < length; i++) {
        found = meso_decoder_push(&decoder, bytes[i], &frame);
        MUST(found == 0 || (found == 1 && i == length - 1));
    }
    MUST(found == 1 && (frame.kind & 0x80) == 0);
    if (config.key == NULL) {
        MUST(frame.flags == 0);
    } else if (frame.kind != MESO_KIND_HELLO) {
        MUST(meso_frame_open(&frame, gun.lease.session_key));
        MUST(frame.counter == gun.lease.sent);
    }
}

static void read_settings(void *context, struct meso_set_points *set) {
    (void)context;
    memset(set, 0xFF, sizeof *set);
}

static void identify(void *context, uint8_t seconds) {
    (void)context;
    MUST(seconds <= MESO_IDENTIFY_SECONDS_MAX);
}

static void draw(void *context, uint8_t *bytes, size_t length) {
    (void)context;
    memset(bytes, ++draws, length);
}

/// What happens ///

static void build(uint8_t how) {
    memset(&retained, 0, sizeof retained);
    memset(ring, 0, sizeof ring);
    memset(&config, 0, sizeof config);
    config.now_us = now_us;
    config.write = write_frame;
    config.settings_read = read_settings;
    config.identify = identify;
    config.random = draw;
    config.serial = "GUN-0001";
    config.model = "FUZZ";
    config.firmware = "1.0.0";
    config.key = (how & 1) != 0 ? key : NULL;
    config.lease_loss = (how & 2) != 0 ? MESO_LEASE_LOSS_INHIBIT : MESO_LEASE_LOSS_CONTINUE;
    if ((how & 4) != 0) {
        config.limits.depth_max_um = 2000;
        config.limits.volume_max_nl = 50000;
        config.limits.frequency_max_spm = 600;
    }
    if ((how & 8) == 0) {
        config.capabilities = MESO_CAN_INHIBIT | MESO_CAN_SET_LIMITS | MESO_CAN_IDENTIFY;
    }
    config.retained = &retained;
    config.ring = ring;
    config.ring_slots = 1 + (how >> 4 & 7);
    clock_us = 0;
    host_counter = 0;
    draws = 0;
    MUST(meso_gun_start(&gun, &config) == 0);
}

static void hear_raw(struct input *from) {
    size_t length = take(from);
    if (length > from->left) {
        length = from->left;
    }
    meso_gun_receive(&gun, from->at, length, clock_us);
    from->at += length;
    from->left -= length;
}

static size_t layout_bytes(uint8_t kind) {
    switch (kind) {
    case MESO_KIND_HOST_HELLO: return MESO_HOST_HELLO_BYTES;
    case MESO_KIND_ACKNOWLEDGE: return MESO_ACKNOWLEDGE_BYTES;
    case MESO_KIND_SEND_FROM: return MESO_SEND_FROM_BYTES;
    case MESO_KIND_TIME_REQUEST: return MESO_TIME_REQUEST_BYTES;
    case MESO_KIND_ASSIGN_EPOCH: return MESO_ASSIGN_EPOCH_BYTES;
    case MESO_KIND_INHIBIT: return MESO_INHIBIT_BYTES;
    case MESO_KIND_RESUME: return MESO_RESUME_BYTES;
    case MESO_KIND_KEEP_ALIVE: return MESO_KEEP_ALIVE_BYTES;
    case MESO_KIND_SET_LIMITS: return MESO_SET_LIMITS_BYTES;
    case MESO_KIND_READ_SETTINGS: return MESO_READ_SETTINGS_BYTES;
    case MESO_KIND_IDENTIFY: return MESO_IDENTIFY_BYTES;
    default: return kind & 0x3F;
    }
}

/* A frame of the right length for its kind; bit 3 seals it for the session that is on. */
static void hear_frame(struct input *from, uint8_t how) {
    uint8_t plain[MESO_FRAME_BYTES_MAX] = {0};
    uint8_t wire[MESO_ENCODED_BYTES_MAX + 2];
    uint8_t kind = take(from);
    size_t length = layout_bytes(kind);
    plain[0] = kind;
    plain[1] = MESO_PROTOCOL_MAX;
    for (size_t i = 0; i < length; i++) {
        plain[MESO_HEADER_BYTES + i] = take(from);
    }
    if ((how & 8) != 0) {
        int written = meso_frame_seal(kind, 0, plain + MESO_HEADER_BYTES, length,
                                      gun.lease.session_key, ++host_counter, wire, sizeof wire);
        meso_gun_receive(&gun, wire, (size_t)written, clock_us);
    } else {
        meso_gun_receive(&gun, wire, wrap(plain, MESO_HEADER_BYTES + length, wire), clock_us);
    }
}

static void fire(struct input *from, uint8_t how) {
    struct meso_measured measured;
    struct meso_set_points set;
    memset(&measured, 0, sizeof measured);
    memset(&set, 0, sizeof set);
    measured.present = take(from);
    measured.depth_set_um = set.depth_um = take_u16(from);
    measured.volume_set_nl = set.volume_nl = take_u16(from);
    measured.frequency_set_spm = set.frequency_spm = take(from);
    measured.needles = take(from);
    set.present = take(from) & MESO_SETTINGS_HAS_ALL;
    uint32_t newest = meso_gun_inventory(&gun).newest;
    bool is_allowed = (how & 8) == 0 || meso_gun_trigger(&gun, &set) == MESO_OK;
    if (is_allowed) {
        int fired = meso_gun_fire(&gun, &measured, clock_us, NULL);
        MUST(meso_gun_inventory(&gun).newest == newest + (fired == MESO_OK ? 1 : 0));
        MUST((how & 8) == 0 || fired == MESO_OK);
    }
}

/* The firmware starts again; bit 3 damages one byte of what was retained. */
static void restart(struct input *from, uint8_t how) {
    struct meso_inventory before = meso_gun_inventory(&gun);
    if ((how & 8) != 0) {
        size_t at = take_u16(from) % (sizeof retained + sizeof ring);
        uint8_t *place = at < sizeof retained ? (uint8_t *)&retained + at
                                              : (uint8_t *)ring + (at - sizeof retained);
        *place ^= take(from);
    }
    clock_us = 0;
    host_counter = 0;
    /* Of a gun that has done nothing yet there is one copy of the book, and nothing to lose. */
    MUST(meso_gun_start(&gun, &config) == 1 || (before.newest == 0 && before.epoch == 0));
    struct meso_inventory after = meso_gun_inventory(&gun);
    /* With the newest copy damaged it may be in the epoch before, of which nothing was reused. */
    MUST(after.epoch == before.epoch ? after.newest == before.newest : (how & 8) != 0);
}

static void poll(unsigned frames) {
    for (unsigned i = 0; i < frames && meso_gun_poll(&gun) > 0; i++) {
    }
}

static void check_inventory(void) {
    struct meso_inventory held = meso_gun_inventory(&gun);
    MUST(held.acknowledged <= held.newest && held.oldest <= held.newest);
    MUST(held.oldest == 0 || held.newest - held.oldest < config.ring_slots);
    struct meso_limits limits = meso_gun_limits(&gun);
    MUST(limits.depth_max_um <= MESO_DEPTH_UM_MAX);
    MUST(config.limits.depth_max_um == 0 ||
         (limits.depth_max_um > 0 && limits.depth_max_um <= config.limits.depth_max_um));
}

static void happen(struct input *from) {
    uint8_t what = take(from);
    switch (what & 7) {
    case 0: clock_us += (uint64_t)take_u16(from) * 100; break;
    case 1: hear_raw(from); break;
    case 2: hear_frame(from, what); break;
    case 3: poll(1U + (what >> 3 & 7)); break;
    case 4: fire(from, what); break;
    case 5: meso_gun_line_reset(&gun); break;
    case 6: restart(from, what); break;
    default: {
        struct meso_limits kept = {.depth_max_um = take_u16(from)};
        (void)meso_gun_set_limits(&gun, &kept);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input from = {data, size};
    build(take(&from));
    while (from.left > 0) {
        uint32_t session = gun.lease.session;
        happen(&from);
        check_inventory();
        if (gun.lease.session != session || gun.lease.heard == 0) {
            host_counter = gun.lease.heard;
        }
    }
    for (unsigned frames = 0; meso_gun_poll(&gun) > 0; frames++) {
        MUST(frames < FRAMES_MAX);
    }
    return 0;
}
