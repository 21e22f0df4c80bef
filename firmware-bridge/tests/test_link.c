/*
 * Tests of the C library alone: the vectors, and what only it has, retained memory above all.
 * Ends with 0 if all hold. `test_link FOLDER` reads the vectors of that folder; build with
 *
 *   cc -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined -o test_link \
 *      tests/test_link.c tests/describe.c meso_frame.c meso_message.c meso_link.c
 */
#include <stdlib.h>
#include <string.h>

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
    config.serial = "GUN-0001";
    config.model = "TEST";
    config.firmware = "1.0.0";
    config.retained = &retained;
    config.ring = ring;
    config.ring_slots = SLOTS;
    clock_us = 0;
    room = MESO_WIRE_BYTES_MAX;
    inhibitions_told = 0;
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

static void greet(uint32_t session) {
    struct meso_message message = {.kind = MESO_KIND_HOST_HELLO};
    message.as.host_hello.protocol_min = 1;
    message.as.host_hello.protocol_max = 1;
    message.as.host_hello.schema = MESO_SCHEMA;
    message.as.host_hello.session = session;
    hear(&message);
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

/* The next message that the gun says; kind 0 where it says nothing. */
static struct meso_message next(void) {
    static struct meso_decoder decoder;
    struct meso_message message;
    struct meso_frame frame;
    memset(&message, 0, sizeof message);
    if (meso_gun_poll(&gun) == 0) {
        return message;
    }
    CHECK(decode(&decoder, sent, sent_length, &frame) == 1);
    CHECK(meso_message_decode(&frame, &message) == MESO_OK);
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
    struct meso_frame frame;
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
    config.depth_max_um = MESO_DEPTH_UM_MAX + 1;
    CHECK(restart() == MESO_ERR_CONFIG);
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
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        subject = tests[i].name;
        tests[i].test();
        CHECK(depth_of_lock == 0);
    }
    printf("%u checks, %u failures\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
