/*
 * Tests of the C library alone: the vectors, and what only it has, retained memory above all.
 * Ends with 0 if all hold. `test_link FOLDER` reads the vectors of that folder; build with
 *
 *   cc -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined -o test_link \
 *      tests/test_link.c tests/describe.c meso_frame.c meso_message.c meso_link.c meso_sha256.c
 */
#include <stdlib.h>
#include <string.h>

#include "../meso_sha256.h"
#include "describe.h"

#define LINE_BYTES_MAX 8192
#define SLOTS 4

static unsigned checks;
static unsigned failures;
/* What is being looked at, for the message of a failure. */
static const char *subject = "";

static void check(bool holds, const char *what, int line) {
    checks++;
    if (!holds) {
        failures++;
        fprintf(stderr, "line %d: %s: %s\n", line, what, subject);
    }
}

#define CHECK(condition) check((condition), #condition, __LINE__)

/// Vectors ///

/* Decodes one delimited run; 1 and the frame, or an error. */
static int decode(struct meso_decoder *decoder, const uint8_t *wire, size_t length,
                  struct meso_frame *frame) {
    int found = 0;
    memset(decoder, 0, sizeof *decoder);
    (void)meso_decoder_push(decoder, MESO_DELIMITER, frame);
    for (size_t i = 0; i < length; i++) {
        found = meso_decoder_push(decoder, wire[i], frame);
    }
    return found;
}

static void message_vector(char *line) {
    static uint8_t wire[LINE_BYTES_MAX / 2];
    struct meso_decoder decoder;
    struct meso_frame frame;
    struct meso_message message;
    char shown[LINE_BYTES_MAX] = "";
    long length = parse_hex(strrchr(line, ' ') + 1, wire, sizeof wire);
    CHECK(length > 0 && decode(&decoder, wire, (size_t)length, &frame) == 1);
    if (meso_message_decode(&frame, &message) != MESO_OK) {
        CHECK(!"the message is accepted");
        return;
    }
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    uint8_t again[MESO_ENCODED_BYTES_MAX + 1];
    int bytes = meso_payload_encode(&message, payload);
    int written = meso_frame_encode(message.kind, frame.sequence, payload, (size_t)bytes, again,
                                    sizeof again);
    CHECK(written == length && memcmp(again, wire, (size_t)length) == 0);
    FILE *to = tmpfile();
    fprintf(to, "%u ", (unsigned)frame.sequence);
    describe(to, &message);
    rewind(to);
    CHECK(fgets(shown, sizeof shown, to) != NULL);
    fclose(to);
    *strrchr(line, ' ') = '\0';
    CHECK(strcmp(shown, line) == 0);
}

static void frame_vector(char *line) {
    static uint8_t payload[LINE_BYTES_MAX / 2];
    static uint8_t wire[LINE_BYTES_MAX / 2];
    static char copy[LINE_BYTES_MAX];
    struct meso_decoder decoder;
    struct meso_frame frame;
    strcpy(copy, line);
    const char *what = strtok(copy, " ");
    if (strcmp(what, "garbage") == 0) {
        const char *reason = strtok(NULL, " ");
        long length = parse_hex(strtok(NULL, " "), wire, sizeof wire - 1);
        CHECK(length > 0);
        wire[length] = MESO_DELIMITER;
        int found = decode(&decoder, wire, (size_t)length + 1, &frame);
        CHECK(strcmp(error_name(found), reason) == 0);
        return;
    }
    uint8_t kind = (uint8_t)atoi(strtok(NULL, " "));
    uint16_t sequence = (uint16_t)atoi(strtok(NULL, " "));
    long bytes = parse_hex(strtok(NULL, " "), payload, sizeof payload);
    long length = parse_hex(strtok(NULL, " "), wire, sizeof wire);
    CHECK(bytes >= 0 && length > 0 && decode(&decoder, wire, (size_t)length, &frame) == 1);
    CHECK(frame.kind == kind && frame.sequence == sequence && frame.length == (size_t)bytes);
    CHECK(memcmp(frame.payload, payload, (size_t)bytes) == 0);
    if (strcmp(what, "frame") == 0) {
        uint8_t again[MESO_ENCODED_BYTES_MAX + 1];
        int written =
            meso_frame_encode(kind, sequence, payload, (size_t)bytes, again, sizeof again);
        CHECK(written == length && memcmp(again, wire, (size_t)length) == 0);
    }
}

static void reject_vector(char *line) {
    static uint8_t wire[LINE_BYTES_MAX / 2];
    struct meso_decoder decoder;
    struct meso_frame frame;
    struct meso_message message;
    char *space = strchr(line, ' ');
    long length = parse_hex(space + 1, wire, sizeof wire);
    CHECK(length > 0 && decode(&decoder, wire, (size_t)length, &frame) == 1);
    const char *reason = error_name(meso_message_decode(&frame, &message));
    CHECK(strlen(reason) == (size_t)(space - line) && strncmp(reason, line, strlen(reason)) == 0);
}

/* The key that the vectors of the session at hand are sealed with. */
static uint8_t vector_key[MESO_KEY_BYTES];

/* The bytes of `NAME=HEX` in a line; 0 where it is not there. */
static size_t named_bytes(const char *line, const char *name, uint8_t *out, size_t size) {
    const char *at = strstr(line, name);
    long length = at == NULL ? 0 : parse_hex(at + strlen(name), out, size);
    return length < 0 ? 0 : (size_t)length;
}

static void session_vector(const char *line) {
    uint8_t key[MESO_KEY_BYTES];
    uint8_t host_nonce[MESO_NONCE_BYTES];
    uint8_t gun_nonce[MESO_NONCE_BYTES];
    uint8_t ours[MESO_KEY_BYTES];
    char serial[MESO_TEXT_BYTES + 1] = "";
    CHECK(named_bytes(line, " key=", key, sizeof key) == sizeof key);
    CHECK(named_bytes(line, " host_nonce=", host_nonce, sizeof host_nonce) == sizeof host_nonce);
    CHECK(named_bytes(line, " gun_nonce=", gun_nonce, sizeof gun_nonce) == sizeof gun_nonce);
    CHECK(named_bytes(line, " session_key=", vector_key, sizeof vector_key) == sizeof vector_key);
    CHECK(sscanf(strstr(line, " serial="), " serial=%16s", serial) == 1);
    uint32_t session = (uint32_t)strtoul(strstr(line, " session=") + 9, NULL, 10);
    meso_session_key(key, host_nonce, gun_nonce, session, serial, ours);
    CHECK(memcmp(ours, vector_key, sizeof ours) == 0);
}

static void seal_vector(char *line) {
    static uint8_t payload[LINE_BYTES_MAX / 2];
    static uint8_t wire[LINE_BYTES_MAX / 2];
    struct meso_decoder decoder;
    struct meso_frame frame;
    uint8_t again[MESO_ENCODED_BYTES_MAX + 1];
    (void)strtok(line, " ");
    uint8_t kind = (uint8_t)atoi(strtok(NULL, " "));
    uint16_t sequence = (uint16_t)atoi(strtok(NULL, " "));
    uint32_t counter = (uint32_t)strtoul(strtok(NULL, " "), NULL, 10);
    long bytes = parse_hex(strtok(NULL, " "), payload, sizeof payload);
    long length = parse_hex(strtok(NULL, " "), wire, sizeof wire);
    CHECK(bytes >= 0 && length > 0 && decode(&decoder, wire, (size_t)length, &frame) == 1);
    CHECK(frame.kind == kind && frame.sequence == sequence && frame.length == (size_t)bytes);
    CHECK(frame.flags == MESO_FRAME_AUTHENTIC && frame.counter == counter);
    CHECK(memcmp(frame.payload, payload, (size_t)bytes) == 0);
    CHECK(meso_frame_open(&frame, vector_key));
    int written = meso_frame_seal(kind, sequence, payload, (size_t)bytes, vector_key, counter,
                                  again, sizeof again);
    CHECK(written == length && memcmp(again, wire, (size_t)length) == 0);
}

/* What a host does with a gun's frame in a session with a key; the counter is in `heard`. */
static void turn_of_gun(const char *what, const uint8_t *wire, size_t length) {
    static uint32_t heard;
    struct meso_decoder decoder;
    struct meso_frame frame;
    CHECK(decode(&decoder, wire, length, &frame) == 1);
    bool is_right = meso_frame_open(&frame, vector_key);
    bool is_new = frame.counter > heard;
    CHECK((is_right && is_new) == (strcmp(what, "accepted") == 0));
    CHECK(strcmp(what, "old_counter") != 0 || (is_right && !is_new));
    if (is_right && is_new) {
        heard = frame.counter;
    }
}

static void turn_of_host(const char *what, const uint8_t *wire, size_t length);

static void sealed_vector(char *line) {
    static uint8_t wire[LINE_BYTES_MAX / 2];
    static char copy[LINE_BYTES_MAX];
    if (strncmp(line, "session ", 8) == 0) {
        session_vector(line);
        return;
    }
    strcpy(copy, line);
    if (strncmp(line, "seal ", 5) == 0) {
        seal_vector(copy);
        return;
    }
    const char *who = strtok(copy, " ");
    const char *what = strtok(NULL, " ");
    long length = parse_hex(strtok(NULL, " "), wire, sizeof wire);
    CHECK(length > 0);
    if (strcmp(who, "gun") == 0) {
        turn_of_gun(what, wire, (size_t)length);
    } else {
        turn_of_host(what, wire, (size_t)length);
    }
}

static void vectors(const char *folder, const char *name, void (*test)(char *line)) {
    static char line[LINE_BYTES_MAX];
    char path[4096];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    FILE *from = fopen(path, "r");
    CHECK(from != NULL);
    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#') {
            subject = line;
            test(line);
            count++;
        }
    }
    subject = name;
    CHECK(count >= 20);
    if (from != NULL) {
        fclose(from);
    }
}

/// A gun to try ///

static uint64_t clock_us;
static size_t room;
static int depth_of_lock;
static unsigned inhibitions_told;
static uint8_t reason_told;
static uint8_t sent[MESO_WIRE_BYTES_MAX];
static size_t sent_length;
static struct meso_retained retained;
static struct meso_record ring[SLOTS];
static struct meso_gun gun;

static uint64_t now_us(void *context) {
    (void)context;
    return clock_us;
}

static size_t tell_room(void *context) {
    (void)context;
    return room;
}

static void write_frame(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    CHECK(depth_of_lock == 0);
    CHECK(length >= 1 && length <= sizeof sent);
    memcpy(sent, bytes, length);
    sent_length = length;
}

static void lock(void *context) {
    (void)context;
    CHECK(depth_of_lock == 0);
    depth_of_lock++;
}

static void unlock(void *context) {
    (void)context;
    CHECK(depth_of_lock == 1);
    depth_of_lock--;
}

static void inhibition_changed(void *context, bool inhibited, uint8_t reason) {
    (void)context;
    (void)inhibited;
    inhibitions_told++;
    reason_told = reason;
}

static struct meso_config config;
static const uint8_t key[MESO_KEY_BYTES] = "the key of the gun of this test";
static uint8_t next_random;
static unsigned identified_for_s;
static struct meso_limits limits_told;
static uint8_t limits_answer;

static void draw(void *context, uint8_t *bytes, size_t length) {
    (void)context;
    CHECK(depth_of_lock == 0);
    memset(bytes, next_random++, length);
}

static void read_settings(void *context, struct meso_set_points *set) {
    (void)context;
    CHECK(set->present == 0);
    set->depth_um = 1500;
    set->present = MESO_SETTINGS_HAS_DEPTH | 0x80;
}

static uint8_t set_limits(void *context, const struct meso_limits *limits) {
    (void)context;
    limits_told = *limits;
    return limits_answer;
}

static void identify(void *context, uint8_t seconds) {
    (void)context;
    identified_for_s = seconds;
}

static void forget(void) {
    memset(&retained, 0, sizeof retained);
    memset(ring, 0, sizeof ring);
    memset(&config, 0, sizeof config);
    config.now_us = now_us;
    config.room = tell_room;
    config.write = write_frame;
    config.lock = lock;
    config.unlock = unlock;
    config.inhibition_changed = inhibition_changed;
    config.settings_read = read_settings;
    config.limits_set = set_limits;
    config.identify = identify;
    config.random = draw;
    config.capabilities = MESO_CAN_INHIBIT | MESO_CAN_SET_LIMITS | MESO_CAN_IDENTIFY;
    config.serial = "GUN-0001";
    config.model = "TEST";
    config.firmware = "1.0.0";
    config.retained = &retained;
    config.ring = ring;
    config.ring_slots = SLOTS;
    clock_us = 0;
    room = MESO_WIRE_BYTES_MAX;
    inhibitions_told = 0;
    limits_answer = MESO_RESULT_DONE;
    next_random = 1;
}

/* A message of the host, as it comes over the line. */
static void hear(const struct meso_message *message) {
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    uint8_t wire[MESO_ENCODED_BYTES_MAX + 2] = {MESO_DELIMITER};
    int length = meso_payload_encode(message, payload);
    int written = meso_frame_encode(message->kind, 0, payload, (size_t)length, wire + 1,
                                    sizeof wire - 1);
    meso_gun_receive(&gun, wire, (size_t)written + 1, clock_us);
}

static void greet_with(uint32_t session, uint8_t nonce) {
    struct meso_message message = {.kind = MESO_KIND_HOST_HELLO};
    message.as.host_hello.protocol_min = 1;
    message.as.host_hello.protocol_max = 1;
    message.as.host_hello.schema = MESO_SCHEMA;
    message.as.host_hello.session = session;
    memset(message.as.host_hello.nonce, nonce, MESO_NONCE_BYTES);
    hear(&message);
}

static void greet(uint32_t session) {
    greet_with(session, 0);
}

static void assign(uint64_t replaces, uint64_t epoch, uint16_t command) {
    struct meso_message message = {.kind = MESO_KIND_ASSIGN_EPOCH};
    message.as.assign_epoch.session = 7;
    message.as.assign_epoch.command = command;
    message.as.assign_epoch.replaces = replaces;
    message.as.assign_epoch.epoch = epoch;
    hear(&message);
}

static void acknowledge(uint64_t epoch, uint32_t counter) {
    struct meso_message message = {.kind = MESO_KIND_ACKNOWLEDGE};
    message.as.watermark.session = 7;
    message.as.watermark.epoch = epoch;
    message.as.watermark.counter = counter;
    hear(&message);
}

static void inhibit(uint16_t command) {
    struct meso_message message = {.kind = MESO_KIND_INHIBIT};
    message.as.inhibit.session = 7;
    message.as.inhibit.command = command;
    message.as.inhibit.reason = 3;
    hear(&message);
}

static void resume(uint16_t command, uint32_t inhibit_number) {
    struct meso_message message = {.kind = MESO_KIND_RESUME};
    message.as.resume.session = 7;
    message.as.resume.command = command;
    message.as.resume.inhibit_number = inhibit_number;
    hear(&message);
}

static void send_from(uint64_t epoch, uint32_t counter) {
    struct meso_message message = {.kind = MESO_KIND_SEND_FROM};
    message.as.send_from.session = 7;
    message.as.send_from.request = 1;
    message.as.send_from.epoch = epoch;
    message.as.send_from.counter = counter;
    hear(&message);
}

static int fire(void) {
    struct meso_measured measured;
    memset(&measured, 0, sizeof measured);
    measured.depth_set_um = 1500;
    measured.present = MESO_SHOT_HAS_DEPTH_SET;
    return meso_gun_fire(&gun, &measured, clock_us, NULL);
}

/* The frame of the message that `next` gave last. */
static struct meso_frame frame;

/* The next message that the gun says; kind 0 where it says nothing. */
static struct meso_message next(void) {
    static struct meso_decoder decoder;
    struct meso_message message;
    memset(&message, 0, sizeof message);
    if (meso_gun_poll(&gun) == 0) {
        return message;
    }
    CHECK(decode(&decoder, sent, sent_length, &frame) == 1);
    if (frame.tag == NULL) {
        CHECK(meso_message_decode(&frame, &message) == MESO_OK);
    } else {
        struct meso_frame unopened = frame;
        CHECK(meso_message_decode(&unopened, &message) == MESO_ERR_UNKNOWN_FLAGS);
        unopened.flags = 0;
        CHECK(meso_message_decode(&unopened, &message) == MESO_OK);
    }
    return message;
}

static void drain(void) {
    while (next().kind != 0) {
    }
}

/* A gun with an epoch, a host and so many shots. */
static void begin(unsigned shots) {
    forget();
    CHECK(meso_gun_start(&gun, &config) == 0);
    greet(7);
    assign(0, 0xE90C, 1);
    for (unsigned i = 0; i < shots; i++) {
        clock_us += 100000;
        CHECK(fire() == MESO_OK);
    }
    drain();
}

/* The firmware starts again; what is retained stays, all else is lost. */
static int restart(void) {
    memset(&gun, 0xA5, sizeof gun);
    clock_us = 0;
    return meso_gun_start(&gun, &config);
}

/// Retained memory ///

static void a_reset_keeps_epoch_shots_and_watermark(void) {
    begin(3);
    acknowledge(0xE90C, 1);
    CHECK(restart() == 1);
    struct meso_inventory held = meso_gun_inventory(&gun);
    CHECK(held.epoch == 0xE90C && held.oldest == 1 && held.newest == 3);
    CHECK(held.acknowledged == 1 && held.lost == 0);
    CHECK(fire() == MESO_OK);
    greet(7);
    drain();
    send_from(0xE90C, 3);
    CHECK(next().kind == MESO_KIND_RANGE);
    struct meso_message before = next();
    struct meso_message after = next();
    CHECK(before.as.shot.counter == 3 && before.as.shot.tick_us == 300000);
    CHECK(before.as.shot.measured.depth_set_um == 1500);
    CHECK(after.as.shot.counter == 4);
    /* The first after a start has no interval: the clock began anew. */
    CHECK((before.as.shot.measured.present & MESO_SHOT_HAS_INTERVAL) != 0);
    CHECK((after.as.shot.measured.present & MESO_SHOT_HAS_INTERVAL) == 0);
}

static void lost_memory_asks_for_an_epoch(void) {
    begin(3);
    memset(&retained, 0x5A, sizeof retained);
    CHECK(restart() == 0);
    struct meso_inventory held = meso_gun_inventory(&gun);
    CHECK(held.epoch == 0 && held.oldest == 0 && held.newest == 0);
    CHECK(fire() == MESO_OK);
    CHECK(meso_gun_inventory(&gun).newest == 1);
}

static void any_one_damaged_byte_of_the_books_never_lowers_the_counter(void) {
    for (size_t at = 0; at < sizeof retained; at++) {
        begin(3);
        ((uint8_t *)&retained)[at] ^= 0x10;
        CHECK(restart() == 1);
        CHECK(meso_gun_inventory(&gun).epoch == 0xE90C);
        CHECK(meso_gun_inventory(&gun).newest == 3);
    }
}

static void any_one_damaged_byte_of_the_ring_is_a_counted_loss(void) {
    for (size_t at = 0; at < sizeof ring; at++) {
        begin(SLOTS);
        acknowledge(0xE90C, 1);
        ((uint8_t *)ring)[at] ^= 0x10;
        uint32_t damaged = (uint32_t)(at / sizeof ring[0]) + 1;
        CHECK(restart() == 1);
        struct meso_inventory held = meso_gun_inventory(&gun);
        CHECK(held.newest == SLOTS && held.acknowledged == 1);
        CHECK(held.oldest == (damaged == SLOTS ? 0 : damaged + 1));
        CHECK(held.lost == damaged - 1);
    }
}

static void a_reset_between_record_and_book_loses_no_shot(void) {
    begin(2);
    struct meso_retained before = retained;
    CHECK(fire() == MESO_OK);
    retained = before;
    CHECK(restart() == 1);
    CHECK(meso_gun_inventory(&gun).newest == 3);
    CHECK(meso_gun_inventory(&gun).oldest == 1);
}

static void an_inhibition_outlives_a_reset_and_an_old_resume(void) {
    begin(0);
    inhibit(2);
    resume(3, 1);
    inhibit(4);
    CHECK(inhibitions_told == 3);
    CHECK(restart() == 1);
    CHECK(!meso_gun_may_fire(&gun) && fire() == MESO_ERR_INHIBITED);
    greet(7);
    resume(9, 1);
    CHECK(!meso_gun_may_fire(&gun));
    resume(10, 2);
    CHECK(meso_gun_may_fire(&gun) && fire() == MESO_OK);
}

static void another_ring_size_is_not_mistaken_for_the_old_one(void) {
    begin(3);
    config.ring_slots = SLOTS - 1;
    CHECK(restart() == 0);
    CHECK(meso_gun_inventory(&gun).epoch == 0);
}

static void a_new_epoch_leaves_no_record_of_the_old_one(void) {
    begin(3);
    acknowledge(0xE90C, 3);
    assign(0xE90C, 2, 9);
    CHECK(restart() == 1);
    CHECK(meso_gun_inventory(&gun).epoch == 2);
    CHECK(meso_gun_inventory(&gun).newest == 0);
}

/* Whatever the memory holds, a start ends and yields a gun that can be used. */
static void random_memory_is_never_believed(void) {
    uint32_t state = 1;
    for (unsigned round = 0; round < 2000; round++) {
        forget();
        uint8_t *places[] = {(uint8_t *)&retained, (uint8_t *)ring};
        const size_t sizes[] = {sizeof retained, sizeof ring};
        for (unsigned place = 0; place < 2; place++) {
            for (size_t i = 0; i < sizes[place]; i++) {
                state = state * 1664525u + 1013904223u;
                places[place][i] = (uint8_t)(state >> 24);
            }
        }
        CHECK(restart() == 0);
        CHECK(fire() == MESO_OK);
    }
}

/// The rest that only C has ///

static void the_last_counter_of_an_epoch_is_the_last_shot(void) {
    begin(1);
    /* Fifteen years of shots, put into the book instead of fired. */
    gun.book.newest = MESO_COUNTER_MAX - 1;
    gun.book.acknowledged = MESO_COUNTER_MAX - 1;
    gun.book.held = 0;
    CHECK(fire() == MESO_OK);
    CHECK(!meso_gun_may_fire(&gun) && fire() == MESO_ERR_EXHAUSTED);
    acknowledge(0xE90C, MESO_COUNTER_MAX);
    assign(0xE90C, 2, 9);
    CHECK(meso_gun_may_fire(&gun) && fire() == MESO_OK);
    CHECK(meso_gun_inventory(&gun).newest == 1);
}

static void a_sensor_out_of_range_loses_no_shot(void) {
    begin(0);
    struct meso_measured measured;
    uint32_t counter = 0;
    memset(&measured, 0xFF, sizeof measured);
    CHECK(meso_gun_fire(&gun, &measured, 1, &counter) == MESO_OK && counter == 1);
    send_from(0xE90C, 1);
    CHECK(next().kind == MESO_KIND_RANGE);
    CHECK(meso_gun_poll(&gun) > 0);
    struct meso_decoder decoder;
    struct meso_message message;
    CHECK(decode(&decoder, sent, sent_length, &frame) == 1);
    CHECK(frame.kind == MESO_KIND_SHOT && frame.payload[8] == 1);
    CHECK(meso_message_decode(&frame, &message) != MESO_OK);
}

static void without_room_nothing_is_sent_and_nothing_is_lost(void) {
    begin(1);
    send_from(0xE90C, 1);
    room = MESO_WIRE_BYTES_MAX - 1;
    CHECK(meso_gun_poll(&gun) == 0);
    room++;
    CHECK(next().kind == MESO_KIND_RANGE);
    CHECK(next().kind == MESO_KIND_SHOT);
}

static void a_lost_lease_inhibits_where_it_was_set_to(void) {
    begin(0);
    config.lease_loss = MESO_LEASE_LOSS_INHIBIT;
    clock_us += MESO_LEASE_US - 1;
    drain();
    CHECK(meso_gun_has_host(&gun) && meso_gun_may_fire(&gun));
    clock_us++;
    CHECK(next().kind == MESO_KIND_HELLO);
    CHECK(!meso_gun_has_host(&gun) && !meso_gun_may_fire(&gun));
    CHECK(inhibitions_told == 1 && reason_told == 0);
}

static void a_host_of_a_newer_version_that_still_speaks_this_one_is_taken(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_HOST_HELLO};
    message.as.host_hello.protocol_min = 1;
    message.as.host_hello.protocol_max = 2;
    message.as.host_hello.schema = ~MESO_SCHEMA; /* that of version 2 */
    message.as.host_hello.session = 8;
    hear(&message);
    send_from(0xE90C, 1);
    CHECK(next().as.hello.session == 8);
    CHECK(next().kind == 0); /* session 7 has lost the lease */
}

static void overwriting_what_is_acknowledged_is_no_loss(void) {
    begin(SLOTS);
    acknowledge(0xE90C, 1);
    CHECK(fire() == MESO_OK && meso_gun_inventory(&gun).lost == 0);
    CHECK(fire() == MESO_OK && meso_gun_inventory(&gun).lost == 1);
}

static void a_stream_from_beyond_the_newest_shot_skips_none(void) {
    begin(1);
    send_from(0xE90C, 9);
    struct meso_message range = next();
    CHECK(range.as.range.from == 9 && range.as.range.newest == 1);
    CHECK(fire() == MESO_OK);
    struct meso_message shot = next();
    CHECK(shot.kind == MESO_KIND_SHOT && shot.as.shot.counter == 2);
}

static void a_new_epoch_stops_the_stream(void) {
    begin(1);
    send_from(0xE90C, 1);
    acknowledge(0xE90C, 1);
    drain();
    assign(0xE90C, 2, 9);
    CHECK(next().kind == MESO_KIND_RESULT);
    CHECK(next().kind == MESO_KIND_HELLO);
    CHECK(fire() == MESO_OK && fire() == MESO_OK); /* the old stream stood before number 2 */
    CHECK(next().kind == 0);
}

static void the_last_eight_commands_are_not_done_again(void) {
    begin(0);
    resume(10, 99); /* refused: there is no inhibition 99 */
    for (uint16_t command = 11; command < 18; command++) {
        inhibit(command);
    }
    drain();
    resume(10, 1); /* repeated after seven others: answered as before, not done */
    CHECK(next().as.result.result == MESO_RESULT_OTHER_INHIBITION);
    CHECK(!meso_gun_may_fire(&gun));
    inhibit(18);
    drain();
    resume(10, 1); /* after eight others it is forgotten, and is a new command */
    CHECK(next().as.result.result == MESO_RESULT_DONE);
}

static void the_time_answer_says_when_it_goes_out(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_TIME_REQUEST};
    message.as.time_request.request = 5;
    message.as.time_request.host_sent_ns = -9;
    clock_us = 1000;
    hear(&message);
    clock_us = 1700;
    struct meso_time_answer answer = next().as.time_answer;
    CHECK(answer.request == 5 && answer.host_sent_ns == -9);
    CHECK(answer.gun_received_us == 1000 && answer.gun_sent_us == 1700);
}

static void a_wrong_setting_is_refused(void) {
    forget();
    config.serial = "gun-1";
    CHECK(restart() == MESO_ERR_CONFIG);
    config.serial = "ABCDEFGHIJKLMNOPQ";
    CHECK(restart() == MESO_ERR_CONFIG);
    config.serial = "ABCDEFGHIJKLMNOP";
    CHECK(restart() == 0);
    config.model = "";
    CHECK(restart() == MESO_ERR_CONFIG);
    config.model = "M";
    config.ring_slots = 0;
    CHECK(restart() == MESO_ERR_CONFIG);
    config.ring_slots = SLOTS;
    config.unlock = NULL;
    CHECK(restart() == MESO_ERR_CONFIG);
    config.unlock = unlock;
    config.limits.depth_max_um = MESO_DEPTH_UM_MAX + 1;
    CHECK(restart() == MESO_ERR_CONFIG);
    config.limits.depth_max_um = 0;
    config.identify = NULL;
    CHECK(restart() == MESO_ERR_CONFIG);
    config.capabilities = 0;
    config.key = key;
    CHECK(restart() == 1);
    config.random = NULL;
    CHECK(restart() == MESO_ERR_CONFIG);
}

/// Limits, settings, identify ///

static uint8_t command_result(struct meso_message message) {
    hear(&message);
    struct meso_message reply = next();
    CHECK(reply.kind == MESO_KIND_RESULT);
    return reply.as.result.result;
}

static struct meso_message limits_message(uint16_t command, uint32_t depth_um, uint32_t volume_nl,
                                          uint16_t frequency_spm) {
    struct meso_message message = {.kind = MESO_KIND_SET_LIMITS};
    message.as.set_limits.session = 7;
    message.as.set_limits.command = command;
    message.as.set_limits.limits.depth_max_um = depth_um;
    message.as.set_limits.limits.volume_max_nl = volume_nl;
    message.as.set_limits.limits.frequency_max_spm = frequency_spm;
    return message;
}

static int pull(uint32_t depth_um, uint32_t volume_nl, uint16_t frequency_spm) {
    struct meso_set_points set = {
        .depth_um = depth_um,
        .volume_nl = volume_nl,
        .frequency_spm = frequency_spm,
        .present = MESO_SETTINGS_HAS_ALL,
    };
    return meso_gun_trigger(&gun, &set);
}

static void a_trigger_above_a_limit_fires_nothing_and_is_counted_as_refused(void) {
    begin(0);
    CHECK(command_result(limits_message(2, 1500, 20000, 480)) == MESO_RESULT_DONE);
    CHECK(pull(1500, 20000, 480) == MESO_OK && fire() == MESO_OK);
    CHECK(pull(1501, 20000, 480) == MESO_ERR_ABOVE_LIMIT);
    CHECK(pull(1500, 20001, 480) == MESO_ERR_ABOVE_LIMIT);
    CHECK(pull(1500, 20000, 481) == MESO_ERR_ABOVE_LIMIT);
    CHECK(meso_gun_inventory(&gun).newest == 1 && fire() == MESO_OK);
    CHECK(command_result(limits_message(3, 1499, 0, 0)) == MESO_RESULT_DONE);
    CHECK(fire() == MESO_ERR_ABOVE_LIMIT && pull(1499, 1000000, 6000) == MESO_OK);
    clock_us += MESO_STATUS_INTERVAL_US;
    CHECK(next().as.status.refused == 4);
}

static void a_limit_says_nothing_of_a_setting_that_the_gun_cannot_tell(void) {
    begin(0);
    struct meso_measured measured = {.depth_set_um = 9000, .present = 0};
    CHECK(command_result(limits_message(2, 1500, 0, 0)) == MESO_RESULT_DONE);
    CHECK(meso_gun_fire(&gun, &measured, clock_us, NULL) == MESO_OK);
}

static void a_shot_under_way_is_counted_though_the_gun_is_inhibited_meanwhile(void) {
    begin(0);
    CHECK(pull(1500, 1, 1) == MESO_OK);
    inhibit(2);
    struct meso_message message = limits_message(3, 100, 0, 0);
    hear(&message);
    CHECK(meso_gun_limits(&gun).depth_max_um == 100);
    CHECK(fire() == MESO_OK && meso_gun_inventory(&gun).newest == 1);
    CHECK(fire() == MESO_ERR_INHIBITED && pull(1, 1, 1) == MESO_ERR_INHIBITED);
    CHECK(meso_gun_inventory(&gun).newest == 1);
    drain();
    clock_us += MESO_STATUS_INTERVAL_US;
    CHECK(next().as.status.refused == 2);
}

static void limits_that_are_built_in_stay(void) {
    begin(0);
    config.limits.depth_max_um = 2000;
    CHECK(restart() == 1);
    greet(7);
    drain();
    CHECK(command_result(limits_message(2, 2001, 1, 1)) == MESO_RESULT_OUTSIDE);
    CHECK(meso_gun_limits(&gun).depth_max_um == 2000 && meso_gun_limits(&gun).volume_max_nl == 0);
    CHECK(command_result(limits_message(3, 1000, 5, 0)) == MESO_RESULT_DONE);
    CHECK(limits_told.depth_max_um == 1000 && limits_told.volume_max_nl == 5);
    CHECK(command_result(limits_message(4, 0, 0, 0)) == MESO_RESULT_DONE);
    CHECK(limits_told.depth_max_um == 2000 && meso_gun_limits(&gun).volume_max_nl == 0);
    limits_answer = MESO_RESULT_OUTSIDE;
    CHECK(command_result(limits_message(5, 1000, 5, 0)) == MESO_RESULT_OUTSIDE);
    CHECK(meso_gun_limits(&gun).depth_max_um == 2000);
    /* Those that the firmware kept over a start; never wider than it is built to. */
    struct meso_limits kept = {.depth_max_um = 1200};
    CHECK(meso_gun_set_limits(&gun, &kept) == MESO_OK);
    CHECK(meso_gun_limits(&gun).depth_max_um == 1200);
    kept.depth_max_um = 2001;
    CHECK(meso_gun_set_limits(&gun, &kept) == MESO_ERR_CONFIG);
}

static void what_a_gun_cannot_do_it_says(void) {
    begin(0);
    config.capabilities = 0;
    struct meso_message identify_message = {.kind = MESO_KIND_IDENTIFY};
    identify_message.as.identify.session = 7;
    identify_message.as.identify.command = 3;
    CHECK(command_result(limits_message(2, 100, 0, 0)) == MESO_RESULT_UNSUPPORTED);
    CHECK(command_result(identify_message) == MESO_RESULT_UNSUPPORTED);
    inhibit(4);
    CHECK(next().as.result.result == MESO_RESULT_UNSUPPORTED);
    CHECK(meso_gun_may_fire(&gun) && fire() == MESO_OK);
}

static void settings_are_read_anew_for_each_answer(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_READ_SETTINGS};
    message.as.read_settings.session = 7;
    message.as.read_settings.command = 2;
    for (unsigned round = 0; round < 2; round++) {
        hear(&message);
        struct meso_message reply = next();
        CHECK(reply.kind == MESO_KIND_SETTINGS && reply.as.settings.command == 2);
        CHECK(reply.as.settings.set.depth_um == 1500 && reply.as.settings.lease_ms == 3000);
        CHECK(reply.as.settings.set.present == MESO_SETTINGS_HAS_DEPTH);
    }
    inhibit(2); /* the number is used: nothing is done */
    CHECK(next().as.result.result == MESO_RESULT_DONE && meso_gun_may_fire(&gun));
}

static void a_gun_shows_itself_for_as_long_as_it_is_asked_to(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_IDENTIFY};
    message.as.identify.session = 7;
    message.as.identify.command = 2;
    message.as.identify.seconds = 9;
    CHECK(command_result(message) == MESO_RESULT_DONE && identified_for_s == 9);
    identified_for_s = 0;
    CHECK(command_result(message) == MESO_RESULT_DONE && identified_for_s == 0);
}

static void a_foreign_host_s_epoch_is_neither_taken_nor_answered(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_ASSIGN_EPOCH};
    message.as.assign_epoch.session = 8;
    message.as.assign_epoch.replaces = 0xE90C;
    message.as.assign_epoch.epoch = 0xE90C;
    hear(&message);
    CHECK(next().kind == 0);
}

/// Authenticity ///

static uint8_t session_key[MESO_KEY_BYTES];
static uint32_t host_counter;

/* A gun with a key, a host that greeted it, and the key of their session. */
static struct meso_hello begin_keyed(void) {
    forget();
    config.key = key;
    uint8_t nonce[MESO_NONCE_BYTES];
    memset(nonce, 0x55, sizeof nonce);
    CHECK(meso_gun_start(&gun, &config) == 0);
    greet_with(7, 0x55);
    struct meso_message hello = next();
    meso_session_key(key, nonce, hello.as.hello.nonce, 7, "GUN-0001", session_key);
    CHECK(hello.kind == MESO_KIND_HELLO && meso_frame_open(&frame, session_key));
    CHECK(frame.counter == 1);
    host_counter = 0;
    return hello.as.hello;
}

static void hear_sealed(const struct meso_message *message, const uint8_t *with) {
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    uint8_t wire[MESO_ENCODED_BYTES_MAX + 1];
    int length = meso_payload_encode(message, payload);
    int written = meso_frame_seal(message->kind, 0, payload, (size_t)length, with, ++host_counter,
                                  wire, sizeof wire);
    meso_gun_receive(&gun, wire, (size_t)written, clock_us);
}

static struct meso_message assignment(void) {
    struct meso_message message = {.kind = MESO_KIND_ASSIGN_EPOCH};
    message.as.assign_epoch.session = 7;
    message.as.assign_epoch.command = 1;
    message.as.assign_epoch.epoch = 0xE90C;
    return message;
}

static void a_gun_with_a_key_tells_shots_only_to_who_holds_it(void) {
    struct meso_hello hello = begin_keyed();
    CHECK((hello.capabilities & MESO_CAN_AUTHENTICATE) != 0);
    struct meso_message message = assignment();
    CHECK(fire() == MESO_OK);
    hear(&message);
    hear_sealed(&message, key);
    CHECK(next().kind == 0 && meso_gun_inventory(&gun).epoch == 0);
    CHECK(meso_gun_line_counters(&gun).not_authentic == 2);
    hear_sealed(&message, session_key);
    CHECK(next().kind == MESO_KIND_RESULT && meso_frame_open(&frame, session_key));
    CHECK(frame.counter == 2);
    CHECK(next().kind == MESO_KIND_HELLO && meso_frame_open(&frame, session_key));
    send_from(0xE90C, 1);
    CHECK(next().kind == 0);
    struct meso_message request = {.kind = MESO_KIND_SEND_FROM};
    request.as.send_from.session = 7;
    request.as.send_from.request = 1;
    request.as.send_from.epoch = 0xE90C;
    request.as.send_from.counter = 1;
    hear_sealed(&request, session_key);
    CHECK(next().kind == MESO_KIND_RANGE);
    CHECK(next().kind == MESO_KIND_SHOT && meso_frame_open(&frame, session_key));
    CHECK(meso_gun_line_counters(&gun).not_authentic == 3);
}

static void a_replayed_command_is_not_heard(void) {
    (void)begin_keyed();
    struct meso_message message = {.kind = MESO_KIND_INHIBIT};
    message.as.inhibit.session = 7;
    message.as.inhibit.command = 1;
    hear_sealed(&message, session_key);
    CHECK(next().kind == MESO_KIND_RESULT && !meso_gun_may_fire(&gun));
    host_counter--;
    hear_sealed(&message, session_key);
    CHECK(next().kind == 0 && meso_gun_line_counters(&gun).not_authentic == 1);
    /* Nor in another session of the same host: its key is another one. */
    greet_with(7, 0x56);
    CHECK(next().kind == MESO_KIND_HELLO);
    hear_sealed(&message, session_key);
    CHECK(next().kind == 0 && meso_gun_line_counters(&gun).not_authentic == 2);
}

static void the_same_greeting_again_keeps_key_and_counters(void) {
    struct meso_hello hello = begin_keyed();
    greet_with(7, 0x55);
    struct meso_message again = next();
    CHECK(memcmp(again.as.hello.nonce, hello.nonce, sizeof hello.nonce) == 0);
    CHECK(frame.counter == 2 && meso_frame_open(&frame, session_key));
    greet_with(7, 0x56);
    CHECK(memcmp(next().as.hello.nonce, hello.nonce, sizeof hello.nonce) != 0);
    CHECK(frame.counter == 1 && !meso_frame_open(&frame, session_key));
}

static void only_authentic_frames_renew_a_lease_with_a_key(void) {
    (void)begin_keyed();
    config.lease_loss = MESO_LEASE_LOSS_INHIBIT;
    clock_us = MESO_LEASE_US - 1;
    struct meso_message message = {.kind = MESO_KIND_KEEP_ALIVE};
    message.as.watermark.session = 7;
    hear(&message);
    greet_with(7, 0x55);
    drain();
    clock_us++;
    CHECK(next().kind == MESO_KIND_HELLO && frame.tag == NULL);
    CHECK(!meso_gun_has_host(&gun) && !meso_gun_may_fire(&gun));
    /* The key went with the lease: what it once sealed is not heard, but answered with a HELLO. */
    hear_sealed(&message, session_key);
    struct meso_message hello = next();
    CHECK(hello.kind == MESO_KIND_HELLO && hello.as.hello.session == 0 && frame.tag == NULL);
    for (unsigned i = 0; i < MESO_NONCE_BYTES; i++) {
        CHECK(hello.as.hello.nonce[i] == 0);
    }
}

static void a_tag_without_a_key_is_ignored(void) {
    begin(0);
    struct meso_message message = {.kind = MESO_KIND_INHIBIT};
    message.as.inhibit.session = 7;
    message.as.inhibit.command = 9;
    hear_sealed(&message, key);
    CHECK(next().kind == 0 && meso_gun_may_fire(&gun));
    CHECK(meso_gun_line_counters(&gun).not_authentic == 1);
}

static void a_sender_whose_counters_are_used_up_is_silent(void) {
    (void)begin_keyed();
    gun.lease.sent = UINT32_MAX - 1;
    struct meso_message message = assignment();
    hear_sealed(&message, session_key);
    CHECK(next().kind == MESO_KIND_RESULT && frame.counter == UINT32_MAX);
    CHECK(next().kind == 0 && next().kind == 0);
    greet_with(8, 0x55);
    CHECK(next().kind == MESO_KIND_HELLO && frame.counter == 1);
}

/* The vectors of a host in a session with a key, told to a gun of the same key and seed. */
static void turn_of_host(const char *what, const uint8_t *wire, size_t length) {
    static uint8_t vector_gun_key[MESO_KEY_BYTES];
    static bool is_begun;
    if (!is_begun) {
        is_begun = true;
        forget();
        for (unsigned i = 0; i < MESO_KEY_BYTES; i++) {
            vector_gun_key[i] = (uint8_t)(0x40 + i);
        }
        config.key = vector_gun_key;
        CHECK(meso_gun_start(&gun, &config) == 0);
    }
    uint32_t before = meso_gun_line_counters(&gun).not_authentic;
    meso_gun_receive(&gun, wire, length, clock_us);
    bool is_accepted = meso_gun_line_counters(&gun).not_authentic == before;
    CHECK(is_accepted == (strcmp(what, "accepted") == 0));
    /* The test draws other nonces than the vectors: their session is put in place of its own. */
    memcpy(gun.lease.session_key, vector_key, sizeof vector_key);
}

/// SHA-256 ///

static void digest_is(const uint8_t *digest, const char *expected) {
    uint8_t wanted[MESO_SHA256_BYTES];
    CHECK(parse_hex(expected, wanted, sizeof wanted) == MESO_SHA256_BYTES);
    CHECK(memcmp(digest, wanted, sizeof wanted) == 0);
}

/* Examples of FIPS 180-4, with a text of one, of two and of very many blocks. */
static void sha256_gives_what_its_standard_says(void) {
    static uint8_t million[1000000];
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t digest[MESO_SHA256_BYTES];
    memset(million, 'a', sizeof million);
    meso_sha256((const uint8_t *)"", 0, digest);
    digest_is(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    meso_sha256((const uint8_t *)"abc", 3, digest);
    digest_is(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    meso_sha256((const uint8_t *)two, strlen(two), digest);
    digest_is(digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    meso_sha256(million, sizeof million, digest);
    digest_is(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, cases 1 to 4, 6 and 7 (5 is of a cut digest). */
static void hmac_gives_what_its_rfc_says(void) {
    static const struct {
        uint8_t key_byte;
        size_t key_length;
        const char *key;
        const char *text;
        const char *digest;
    } cases[] = {
        {0x0b, 20, NULL, "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {0, 4, "Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {0xaa, 131, NULL,
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key needs to be hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    uint8_t bytes[131];
    uint8_t digest[MESO_SHA256_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(bytes, cases[i].key_byte, sizeof bytes);
        if (cases[i].key != NULL) {
            memcpy(bytes, cases[i].key, cases[i].key_length);
        }
        meso_hmac_sha256(bytes, cases[i].key_length, (const uint8_t *)cases[i].text,
                         strlen(cases[i].text), digest);
        digest_is(digest, cases[i].digest);
    }
    uint8_t text[50];
    memset(bytes, 0xaa, sizeof bytes);
    memset(text, 0xdd, sizeof text);
    meso_hmac_sha256(bytes, 20, text, sizeof text, digest);
    digest_is(digest, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    for (uint8_t i = 0; i < 25; i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    memset(text, 0xcd, sizeof text);
    meso_hmac_sha256(bytes, 25, text, sizeof text, digest);
    digest_is(digest, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

/* RFC 5869, cases 1 to 3, of whose output the first block is looked at. */
static void hkdf_gives_what_its_rfc_says(void) {
    uint8_t key_bytes[80];
    uint8_t salt[80];
    uint8_t info[80];
    uint8_t out[MESO_SHA256_BYTES];
    memset(key_bytes, 0x0b, sizeof key_bytes);
    for (uint8_t i = 0; i < 80; i++) {
        salt[i] = i;
        info[i] = (uint8_t)(0xf0 + i);
    }
    meso_hkdf_sha256(salt, 13, key_bytes, 22, info, 10, out);
    digest_is(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    meso_hkdf_sha256(salt, 0, key_bytes, 22, info, 0, out);
    digest_is(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    for (uint8_t i = 0; i < 80; i++) {
        key_bytes[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    meso_hkdf_sha256(salt, 80, key_bytes, 80, info, 80, out);
    digest_is(out, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
}

static void a_buffer_that_is_too_small_is_not_written(void) {
    uint8_t out[16];
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX + 1] = {0};
    memset(out, 0xEE, sizeof out);
    CHECK(meso_frame_encode(2, 0, payload, 8, out, 15) == MESO_ERR_NO_ROOM);
    CHECK(out[0] == 0xEE);
    CHECK(meso_frame_encode(2, 0, payload, sizeof payload, out, 16) == MESO_ERR_TOO_LONG);
    CHECK(meso_crc32((const uint8_t *)"123456789", 9) == 0xCBF43926);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: test_link FOLDER\n", stderr);
        return 2;
    }
    vectors(argv[1], "messages", message_vector);
    vectors(argv[1], "frames", frame_vector);
    vectors(argv[1], "rejects", reject_vector);
    vectors(argv[1], "sealed", sealed_vector);
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
#define TEST(name) {#name, name}
        TEST(a_reset_keeps_epoch_shots_and_watermark),
        TEST(lost_memory_asks_for_an_epoch),
        TEST(any_one_damaged_byte_of_the_books_never_lowers_the_counter),
        TEST(any_one_damaged_byte_of_the_ring_is_a_counted_loss),
        TEST(a_reset_between_record_and_book_loses_no_shot),
        TEST(an_inhibition_outlives_a_reset_and_an_old_resume),
        TEST(another_ring_size_is_not_mistaken_for_the_old_one),
        TEST(a_new_epoch_leaves_no_record_of_the_old_one),
        TEST(random_memory_is_never_believed),
        TEST(the_last_counter_of_an_epoch_is_the_last_shot),
        TEST(a_sensor_out_of_range_loses_no_shot),
        TEST(without_room_nothing_is_sent_and_nothing_is_lost),
        TEST(a_lost_lease_inhibits_where_it_was_set_to),
        TEST(a_host_of_a_newer_version_that_still_speaks_this_one_is_taken),
        TEST(overwriting_what_is_acknowledged_is_no_loss),
        TEST(a_stream_from_beyond_the_newest_shot_skips_none),
        TEST(a_new_epoch_stops_the_stream),
        TEST(the_last_eight_commands_are_not_done_again),
        TEST(the_time_answer_says_when_it_goes_out),
        TEST(a_wrong_setting_is_refused),
        TEST(a_buffer_that_is_too_small_is_not_written),
        TEST(a_trigger_above_a_limit_fires_nothing_and_is_counted_as_refused),
        TEST(a_limit_says_nothing_of_a_setting_that_the_gun_cannot_tell),
        TEST(a_shot_under_way_is_counted_though_the_gun_is_inhibited_meanwhile),
        TEST(limits_that_are_built_in_stay),
        TEST(what_a_gun_cannot_do_it_says),
        TEST(settings_are_read_anew_for_each_answer),
        TEST(a_gun_shows_itself_for_as_long_as_it_is_asked_to),
        TEST(a_foreign_host_s_epoch_is_neither_taken_nor_answered),
        TEST(a_gun_with_a_key_tells_shots_only_to_who_holds_it),
        TEST(a_replayed_command_is_not_heard),
        TEST(the_same_greeting_again_keeps_key_and_counters),
        TEST(only_authentic_frames_renew_a_lease_with_a_key),
        TEST(a_tag_without_a_key_is_ignored),
        TEST(a_sender_whose_counters_are_used_up_is_silent),
        TEST(sha256_gives_what_its_standard_says),
        TEST(hmac_gives_what_its_rfc_says),
        TEST(hkdf_gives_what_its_rfc_says),
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        subject = tests[i].name;
        tests[i].test();
        CHECK(depth_of_lock == 0);
    }
    printf("%u checks, %u failures\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
