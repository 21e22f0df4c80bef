/*
 * The C library as a process: requests on standard input, answers on standard output, one a line,
 * so that a test in another language can drive it. Bytes are hexadecimal, `-` for none.
 *
 *   encode KIND SEQUENCE PAYLOAD       WIRE, or the name of an error
 *   decode BYTES                       a line for each thing found, then `end` and the counters
 *   sha256 BYTES                       its SHA-256
 *   hmac KEY BYTES                     its HMAC-SHA256
 *   hkdf SALT KEY INFO                 the one block of HKDF-SHA256
 *   seal KIND SEQUENCE COUNTER PAYLOAD SESSION_KEY   WIRE, or the name of an error
 *   gun SLOTS LEASE_LOSS BOOT_ID CAPABILITIES LIMITS... KEY SEED
 *                                      a new gun in cleared memory, KEY `-` for none: `ok`
 *   receive US BYTES                   `ok`
 *   fire US FIELD...                   the counter, or the name of an error
 *   trigger FIELD...                   `ok`, or the name of an error
 *   set FIELD...                       what READ_SETTINGS tells from now on: `ok`
 *   housekeeping FIELD...              `ok`
 *   reset                              `ok`
 *   poll US                            the bytes of one frame
 *   state US                           inventory, host, may fire, limits, whether it shows itself,
 *                                      line counters
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../meso_sha256.h"
#include "describe.h"

#define LINE_BYTES_MAX 65536
#define SLOTS_MAX 64

static char line[LINE_BYTES_MAX];
static uint8_t bytes[LINE_BYTES_MAX / 2];
static uint8_t more_bytes[LINE_BYTES_MAX / 2];

static struct meso_retained retained;
static struct meso_record ring[SLOTS_MAX];
static struct meso_config config;
static struct meso_gun gun;
static uint64_t clock_us;
static uint8_t key[MESO_KEY_BYTES];
static uint8_t seed[MESO_KEY_BYTES];
static uint64_t draws;
static struct meso_set_points set_points;
static uint64_t identifies_until_us;

static uint64_t now_us(void *context) {
    (void)context;
    return clock_us;
}

static void write_frame(void *context, const uint8_t *frame, size_t length) {
    (void)context;
    print_hex(stdout, frame, length);
}

/* Numbers that a test can know beforehand: HMAC of the seed over a count. */
static void draw(void *context, uint8_t *out, size_t length) {
    uint8_t count[8];
    uint8_t digest[MESO_SHA256_BYTES];
    (void)context;
    draws++;
    for (unsigned i = 0; i < sizeof count; i++) {
        count[i] = (uint8_t)(draws >> (8 * i));
    }
    meso_hmac_sha256(seed, sizeof seed, count, sizeof count, digest);
    memcpy(out, digest, length < sizeof digest ? length : sizeof digest);
}

static void read_settings(void *context, struct meso_set_points *set) {
    (void)context;
    *set = set_points;
}

static void identify(void *context, uint8_t seconds) {
    (void)context;
    identifies_until_us = clock_us + (uint64_t)seconds * 1000000;
}

/* The next number of the request; the program ends if there is none. */
static int64_t next_number(void) {
    const char *word = strtok(NULL, " \n");
    if (word == NULL) {
        fputs("a number is missing\n", stderr);
        exit(2);
    }
    /* Negative numbers and those above INT64_MAX both come out right in two's complement. */
    return word[0] == '-' ? (int64_t)strtoll(word, NULL, 10)
                          : (int64_t)strtoull(word, NULL, 10);
}

static size_t next_bytes_into(uint8_t *out, size_t size) {
    const char *word = strtok(NULL, " \n");
    long length = word == NULL ? -1 : parse_hex(word, out, size);
    if (length < 0) {
        fputs("bytes are missing\n", stderr);
        exit(2);
    }
    return (size_t)length;
}

static size_t next_bytes(void) {
    return next_bytes_into(bytes, sizeof bytes);
}

static void show_counters(const struct meso_line_counters *counters) {
    printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32,
           counters->frames, counters->bad_crc, counters->bad_cobs, counters->oversize,
           counters->skipped_bytes, counters->not_authentic);
}

static void do_sha256(void) {
    uint8_t digest[MESO_SHA256_BYTES];
    size_t length = next_bytes();
    meso_sha256(bytes, length, digest);
    print_hex(stdout, digest, sizeof digest);
}

static void do_hmac(void) {
    uint8_t digest[MESO_SHA256_BYTES];
    size_t key_length = next_bytes_into(more_bytes, sizeof more_bytes);
    size_t length = next_bytes();
    meso_hmac_sha256(more_bytes, key_length, bytes, length, digest);
    print_hex(stdout, digest, sizeof digest);
}

static void do_hkdf(void) {
    static uint8_t info[LINE_BYTES_MAX / 2];
    uint8_t out[MESO_SHA256_BYTES];
    size_t salt_length = next_bytes_into(more_bytes, sizeof more_bytes);
    size_t key_length = next_bytes();
    size_t info_length = next_bytes_into(info, sizeof info);
    meso_hkdf_sha256(more_bytes, salt_length, bytes, key_length, info, info_length, out);
    print_hex(stdout, out, sizeof out);
}

static void do_seal(void) {
    uint8_t session_key[MESO_KEY_BYTES];
    uint8_t kind = (uint8_t)next_number();
    uint16_t sequence = (uint16_t)next_number();
    uint32_t counter = (uint32_t)next_number();
    size_t length = next_bytes();
    (void)next_bytes_into(session_key, sizeof session_key);
    /* In memory of its own, so that a byte written too far is noticed. */
    uint8_t *wire = malloc(MESO_ENCODED_BYTES_MAX + 1);
    int written = meso_frame_seal(kind, sequence, bytes, length, session_key, counter, wire,
                                  MESO_ENCODED_BYTES_MAX + 1);
    if (written < 0) {
        fputs(error_name(written), stdout);
    } else {
        print_hex(stdout, wire, (size_t)written);
    }
    free(wire);
}

static void do_encode(void) {
    uint8_t kind = (uint8_t)next_number();
    uint16_t sequence = (uint16_t)next_number();
    size_t length = next_bytes();
    /* In memory of its own, so that a byte written too far is noticed. */
    uint8_t *wire = malloc(MESO_ENCODED_BYTES_MAX + 1);
    int written = meso_frame_encode(kind, sequence, bytes, length, wire,
                                    MESO_ENCODED_BYTES_MAX + 1);
    if (written < 0) {
        fputs(error_name(written), stdout);
    } else {
        print_hex(stdout, wire, (size_t)written);
    }
    free(wire);
}

static void show_frame(const struct meso_frame *frame) {
    struct meso_message message;
    int error = meso_message_decode(frame, &message);
    if (error != MESO_OK) {
        printf("reject %s\n", error_name(error));
        return;
    }
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    uint8_t wire[MESO_ENCODED_BYTES_MAX + 1];
    int length = meso_payload_encode(&message, payload);
    int written = meso_frame_encode(message.kind, frame->sequence, payload, (size_t)length, wire,
                                    sizeof wire);
    printf("message %u ", (unsigned)frame->sequence);
    describe(stdout, &message);
    putchar(' ');
    print_hex(stdout, wire, (size_t)written);
    putchar('\n');
}

static void do_decode(void) {
    struct meso_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    size_t length = next_bytes();
    for (size_t i = 0; i < length; i++) {
        struct meso_frame frame;
        int found = meso_decoder_push(&decoder, bytes[i], &frame);
        if (found == 1) {
            show_frame(&frame);
        } else if (found < 0) {
            printf("garbage %s\n", error_name(found));
        }
    }
    fputs("end ", stdout);
    show_counters(&decoder.counters);
}

static void do_gun(void) {
    memset(&retained, 0, sizeof retained);
    memset(ring, 0, sizeof ring);
    memset(&config, 0, sizeof config);
    config.now_us = now_us;
    config.write = write_frame;
    config.serial = "GUN-0001";
    config.model = "TEST";
    config.firmware = "1.0.0";
    config.boot_count = 1;
    config.settings_read = read_settings;
    config.identify = identify;
    config.random = draw;
    config.retained = &retained;
    config.ring = ring;
    config.ring_slots = (uint32_t)next_number();
    config.lease_loss = (uint8_t)next_number();
    config.boot_id = (uint32_t)next_number();
    config.capabilities = (uint32_t)next_number();
    config.limits.depth_max_um = (uint32_t)next_number();
    config.limits.volume_max_nl = (uint32_t)next_number();
    config.limits.frequency_max_spm = (uint16_t)next_number();
    config.key = next_bytes_into(key, sizeof key) == sizeof key ? key : NULL;
    (void)next_bytes_into(seed, sizeof seed);
    memset(&set_points, 0, sizeof set_points);
    clock_us = 0;
    draws = 0;
    identifies_until_us = 0;
    int error = config.ring_slots > SLOTS_MAX ? MESO_ERR_CONFIG : meso_gun_start(&gun, &config);
    fputs(error_name(error), stdout);
}

static void do_fire(void) {
    struct meso_measured measured;
    uint32_t counter;
    uint64_t tick_us = (uint64_t)next_number();
    measured.depth_set_um = (uint32_t)next_number();
    measured.depth_sensed_um = (uint32_t)next_number();
    measured.volume_set_nl = (uint32_t)next_number();
    measured.volume_sensed_nl = (uint32_t)next_number();
    measured.frequency_set_spm = (uint16_t)next_number();
    measured.needles = (uint8_t)next_number();
    measured.purpose = (uint8_t)next_number();
    measured.pressure_pa = (int32_t)next_number();
    measured.flags = (uint16_t)next_number();
    measured.present = (uint16_t)next_number();
    int error = meso_gun_fire(&gun, &measured, tick_us, &counter);
    if (error == MESO_OK) {
        printf("%" PRIu32, counter);
    } else {
        fputs(error_name(error), stdout);
    }
}

static struct meso_set_points next_set_points(void) {
    struct meso_set_points set;
    set.depth_um = (uint32_t)next_number();
    set.volume_nl = (uint32_t)next_number();
    set.frequency_spm = (uint16_t)next_number();
    set.needles = (uint8_t)next_number();
    set.purpose = (uint8_t)next_number();
    set.present = (uint8_t)next_number();
    return set;
}

static void do_trigger(void) {
    struct meso_set_points set = next_set_points();
    fputs(error_name(meso_gun_trigger(&gun, &set)), stdout);
}

static void do_set(void) {
    set_points = next_set_points();
    fputs("ok", stdout);
}

static void do_housekeeping(void) {
    struct meso_housekeeping state;
    memset(&state, 0, sizeof state);
    state.battery_mv = (uint32_t)next_number();
    state.temperature_mc = (int32_t)next_number();
    state.vacuum_pa = (int32_t)next_number();
    state.shots_on_needle = (uint32_t)next_number();
    state.present = (uint8_t)next_number();
    meso_gun_set_housekeeping(&gun, &state);
    fputs("ok", stdout);
}

static void do_receive(void) {
    clock_us = (uint64_t)next_number();
    size_t length = next_bytes();
    meso_gun_receive(&gun, bytes, length, clock_us);
    fputs("ok", stdout);
}

static void do_poll(void) {
    clock_us = (uint64_t)next_number();
    if (meso_gun_poll(&gun) == 0) {
        putchar('-');
    }
}

static void do_state(void) {
    clock_us = (uint64_t)next_number();
    struct meso_inventory held = meso_gun_inventory(&gun);
    struct meso_limits limits = meso_gun_limits(&gun);
    struct meso_line_counters counters = meso_gun_line_counters(&gun);
    printf("%" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %d %d ", held.epoch,
           held.oldest, held.newest, held.acknowledged, held.lost, meso_gun_has_host(&gun),
           meso_gun_may_fire(&gun));
    printf("%" PRIu32 " %" PRIu32 " %u %d ", limits.depth_max_um, limits.volume_max_nl,
           (unsigned)limits.frequency_max_spm, clock_us < identifies_until_us);
    show_counters(&counters);
}

static bool serve(const char *request) {
    static const struct {
        const char *name;
        void (*serve)(void);
    } requests[] = {
        {"encode", do_encode},   {"decode", do_decode},   {"sha256", do_sha256},
        {"hmac", do_hmac},       {"hkdf", do_hkdf},       {"seal", do_seal},
        {"gun", do_gun},         {"receive", do_receive}, {"fire", do_fire},
        {"trigger", do_trigger}, {"set", do_set},         {"housekeeping", do_housekeeping},
        {"poll", do_poll},       {"state", do_state},
    };
    if (strcmp(request, "reset") == 0) {
        meso_gun_line_reset(&gun);
        fputs("ok", stdout);
        return true;
    }
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (strcmp(request, requests[i].name) == 0) {
            requests[i].serve();
            return true;
        }
    }
    return false;
}

int main(void) {
    while (fgets(line, sizeof line, stdin) != NULL) {
        const char *request = strtok(line, " \n");
        if (request == NULL || !serve(request)) {
            fputs("no such request\n", stderr);
            return 2;
        }
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
