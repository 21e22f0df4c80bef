/*
 * The meso link, version 1: the gun's end, and the codec of both ends.
 *
 * SPEC.md says what the bytes mean, DESIGN.md why. Add meso_frame.c, meso_message.c, meso_link.c
 * and meso_sha256.c to a build; they need a C99 compiler, <stdbool.h>, <stddef.h>, <stdint.h>,
 * and memcpy, memmove and memset. No heap, no floating point, no recursion, no global state, no
 * interrupt and no hardware: those are the firmware's, behind the callbacks of `meso_config`.
 *
 * What is trusted: the firmware's own calls and the memory that it hands over. A null pointer
 * where the text below does not allow one is a fault of the firmware and is not caught.
 *
 * What is not trusted: every byte from the line, and the contents of retained memory at start.
 * Whatever these are, the library
 *   1. reads and writes nothing outside its structures and the buffers it was given;
 *   2. ends every call after a number of steps bounded by the bytes given and the ring's slots;
 *   3. gives a counter to one shot only within an epoch, and never lowers it;
 *   4. overwrites an unacknowledged shot only when the ring is full, and counts it as lost;
 *   5. lets an inhibited gun fire again only for a RESUME that names the latest inhibition (over
 *      a start: if the retained memory still says so);
 *   6. in a gun with a key, obeys nobody and tells nobody a shot who does not hold that key.
 * A gun without a key does not know who sent a frame. What authenticity does not cover stands in
 * SPEC.md: nothing is secret, and whoever holds the line can cut it.
 */
#ifndef MESO_LINK_H
#define MESO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meso_link_constants.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Versions ///

/* Of this library; the version of the link is MESO_PROTOCOL_MAX and changes on its own. */
#define MESO_LIBRARY_VERSION 0x00010000 /* major in the high 16 bits, minor in the low */

/// Sizes of this library, not of the link ///

/* Answers that may wait to be sent; a further one drops the oldest, and the host asks again. */
#define MESO_ANSWERS_MAX 16
/* Commands whose answer is remembered, so that a repeated one is not done twice. */
#define MESO_COMMANDS_REMEMBERED 8
/* The most that one call of meso_config.write is given: a delimiter, COBS, a delimiter. */
#define MESO_WIRE_BYTES_MAX (1 + MESO_ENCODED_BYTES_MAX + 1)

/// Errors ///

/* Every function that can fail returns one of these, or 0 or a count where it does not. */
enum meso_error {
    MESO_OK = 0,
    MESO_ERR_BAD_COBS = -1,        /* the code bytes of the run do not fit it */
    MESO_ERR_BAD_CRC = -2,         /* wrong checksum, or too short or long to have one */
    MESO_ERR_OVERSIZE = -3,        /* more bytes between two delimiters than a frame can have */
    MESO_ERR_UNKNOWN_FLAGS = -4,   /* a flag that version 1 does not know */
    MESO_ERR_UNKNOWN_VERSION = -5, /* a version of the link that is not spoken here */
    MESO_ERR_UNKNOWN_KIND = -6,    /* no message has this kind */
    MESO_ERR_TOO_SHORT = -7,       /* the payload ends before its last field */
    MESO_ERR_TOO_LONG = -8,        /* the payload goes on after its last field */
    MESO_ERR_IMPOSSIBLE = -9,      /* a number outside of its range */
    MESO_ERR_UNKNOWN_CODE = -10,   /* a code or bit without a meaning */
    MESO_ERR_BAD_TEXT = -11,       /* text that is empty, unprintable, or goes on after its end */
    MESO_ERR_NO_IDENTITY = -12,    /* epoch or counter that names nothing */
    MESO_ERR_NO_ROOM = -13,        /* the buffer is too small for the result */
    MESO_ERR_INHIBITED = -14,      /* the gun is inhibited; nothing was counted */
    MESO_ERR_EXHAUSTED = -15,      /* the epoch's last counter is used; nothing was counted */
    MESO_ERR_CONFIG = -16,         /* a field of meso_config is outside its range */
    MESO_ERR_ABOVE_LIMIT = -17,    /* a setting is above a limit in force; nothing was counted */
};

/// Frames ///

/* CRC-32 of IEEE 802.3; of the ASCII text "123456789" it is 0xCBF43926. */
uint32_t meso_crc32(const uint8_t *bytes, size_t length);

/*
 * A frame whose checksum was right. `payload` points into the decoder and is valid until the
 * next byte is pushed.
 */
struct meso_frame {
    uint8_t kind;
    uint8_t version;  /* 0 to 15 */
    uint8_t flags;    /* 0 to 15; version 1 knows MESO_FRAME_AUTHENTIC, see meso_frame_open */
    uint16_t sequence;
    const uint8_t *payload;
    size_t length;    /* 0 to MESO_PAYLOAD_BYTES_MAX, without counter and tag */
    uint32_t counter; /* of an authentic frame; 0 = it has none */
    const uint8_t *tag; /* MESO_TAG_BYTES of them; null without the flag, or where they lack */
};

/* What was on the line since the decoder was made. Each stops at 4 294 967 295. */
struct meso_line_counters {
    uint32_t frames;
    uint32_t bad_crc;
    uint32_t bad_cobs;
    uint32_t oversize;
    uint32_t skipped_bytes; /* all that was no frame, what came before the first delimiter too */
    uint32_t not_authentic; /* frames that a gun ignored because nothing proves their sender;
                               a decoder alone counts none */
};

/* Finds frames in a stream of bytes. All zeros is a decoder that waits for its first delimiter. */
struct meso_decoder {
    uint8_t run[MESO_ENCODED_BYTES_MAX];
    uint32_t run_bytes; /* since the last delimiter; may be more than `run` holds */
    bool in_step;
    struct meso_line_counters counters;
};

/*
 * Takes one byte. Returns 1 when it ended a frame, which is then in `frame`; 0 when there is
 * nothing to say; MESO_ERR_BAD_COBS, _BAD_CRC or _OVERSIZE when it ended something else.
 */
int meso_decoder_push(struct meso_decoder *decoder, uint8_t byte, struct meso_frame *frame);

/*
 * Wraps a payload into a frame of MESO_PROTOCOL_MAX, final delimiter included. Returns the
 * bytes written to `out`, at most MESO_ENCODED_BYTES_MAX + 1; MESO_ERR_TOO_LONG above
 * MESO_PAYLOAD_BYTES_MAX; MESO_ERR_NO_ROOM.
 */
int meso_frame_encode(uint8_t kind, uint16_t sequence, const uint8_t *payload, size_t length,
                      uint8_t *out, size_t size);

/// Authenticity: SPEC.md, "Authenticity" ///

/*
 * The key of a session from the gun's key (MESO_KEY_BYTES), both nonces (MESO_NONCE_BYTES each),
 * the host's session number and the gun's serial number; `session_key` has room for
 * MESO_KEY_BYTES.
 */
void meso_session_key(const uint8_t *key, const uint8_t *host_nonce, const uint8_t *gun_nonce,
                      uint32_t session, const char *serial, uint8_t *session_key);

/*
 * As meso_frame_encode, with MESO_FRAME_AUTHENTIC, counter and tag. Returns MESO_ERR_TOO_LONG
 * above MESO_SEALED_PAYLOAD_BYTES_MAX.
 */
int meso_frame_seal(uint8_t kind, uint16_t sequence, const uint8_t *payload, size_t length,
                    const uint8_t *session_key, uint32_t counter, uint8_t *out, size_t size);

/*
 * Whether a frame from the decoder has a tag, and the right one; takes the same time wherever a
 * wrong one differs. If so, MESO_FRAME_AUTHENTIC is taken from its flags, without which
 * meso_message_decode refuses it. Does not look at the counter: that is the receiver's book.
 */
bool meso_frame_open(struct meso_frame *frame, const uint8_t *session_key);

/// Messages ///

/* Fields are named, and have the units, ranges and sentinels, of SPEC.md section 5. */

struct meso_inventory {
    uint64_t epoch;        /* 0 = none yet */
    uint32_t oldest;       /* 0 = ring empty */
    uint32_t newest;       /* 0 = none yet */
    uint32_t acknowledged; /* 0 = none yet */
    uint32_t lost;
};

/* Limits in force; a trigger whose setting is above one fires no shot. 0 = none is enforced. */
struct meso_limits {
    uint32_t depth_max_um;      /* 0 to 13 000 */
    uint32_t volume_max_nl;     /* of one trigger, 0 to 4 294 967 295 */
    uint16_t frequency_max_spm; /* 0 to 6 000 */
};

struct meso_hello {
    uint8_t protocol_min;
    uint8_t protocol_max;
    uint32_t schema;
    uint32_t session;                    /* 0 = unasked */
    char serial[MESO_TEXT_BYTES + 1];    /* 1 to 16 of A-Z 0-9 -, ended by a zero */
    char model[MESO_TEXT_BYTES + 1];     /* 1 to 16 of printable ASCII, ended by a zero */
    char firmware[MESO_TEXT_BYTES + 1];  /* likewise */
    uint8_t firmware_hash[8];            /* zeros = not known */
    uint32_t boot_id;
    uint32_t boot_count;
    struct meso_inventory inventory;
    uint32_t capabilities;
    struct meso_limits limits;
    uint16_t lease_ms;
    uint8_t lease_loss;                  /* MESO_LEASE_LOSS_ */
    bool inhibited;
    uint32_t inhibit_number;             /* 0 = never */
    uint64_t tick_us;
    uint8_t nonce[MESO_NONCE_BYTES];     /* the gun's, of this session; zeros = no key */
};

/*
 * What the gun was set to and what it sensed. A field counts only if its bit of `present`
 * (MESO_SHOT_HAS_) is set: a gun that cannot say leaves the bit out and never sends a zero for
 * "not known". What a sensor claims outside of its range is sent as it is: the host keeps such a
 * shot apart and shows it, which is better than a gun that loses it.
 */
struct meso_measured {
    uint32_t depth_set_um;      /* 0 to 13 000 */
    uint32_t depth_sensed_um;   /* 0 to 13 000 */
    uint32_t volume_set_nl;     /* of this trigger, all needles together; 0 to 10 000 000 */
    uint32_t volume_sensed_nl;  /* likewise */
    uint16_t frequency_set_spm; /* shots per minute, 1 to 6 000 */
    uint8_t needles;            /* that worked, 1 to 99 */
    uint8_t purpose;            /* MESO_PURPOSE_; 0 = not known */
    int32_t pressure_pa;        /* against the air around, negative is vacuum */
    uint16_t flags;             /* MESO_FLAG_ */
    uint16_t present;           /* MESO_SHOT_HAS_ */
};

struct meso_shot {
    uint64_t epoch;
    uint32_t counter;
    uint32_t boot_id;
    uint64_t tick_us;
    uint64_t interval_us; /* counts only if MESO_SHOT_HAS_INTERVAL is set */
    struct meso_measured measured;
};

/* What the gun senses besides shots; all zeros says nothing. */
struct meso_housekeeping {
    uint32_t battery_mv;      /* 0 to 60 000 */
    int32_t temperature_mc;   /* thousandths of a degree Celsius, -50 000 to 150 000 */
    int32_t vacuum_pa;        /* at the head, -101 325 to 1 000 000 */
    uint32_t shots_on_needle; /* since the needle was changed */
    uint32_t lifetime_shots;  /* wraps; a gun's own library fills it in */
    uint32_t faults;          /* the maker's own bits; 0 = none */
    uint8_t present;          /* MESO_STATUS_HAS_ */
};

struct meso_status {
    uint64_t tick_us;
    struct meso_inventory inventory;
    struct meso_housekeeping housekeeping;
    bool inhibited;
    uint32_t inhibit_number;
    uint32_t refused; /* triggers that fired no shot since start: inhibited, or above a limit */
};

struct meso_range {
    uint32_t session;
    uint16_t request; /* 0 = the ring overtook the stream */
    uint64_t epoch;
    uint32_t requested;
    uint32_t from;
    uint32_t newest; /* 0 = none yet */
};

struct meso_time_answer {
    uint32_t request;
    int64_t host_sent_ns;
    uint64_t gun_received_us;
    uint64_t gun_sent_us;
};

struct meso_result {
    uint32_t session;
    uint16_t command;
    uint8_t result; /* MESO_RESULT_; others of later versions are kept as they come */
    bool inhibited;
    uint32_t inhibit_number;
    uint64_t epoch; /* 0 = none */
    struct meso_limits limits;
};

/* What the gun is set to now. A field counts only if its bit of `present` is set. */
struct meso_set_points {
    uint32_t depth_um;      /* 0 to 13 000 */
    uint32_t volume_nl;     /* of one trigger, all needles together; 0 to 10 000 000 */
    uint16_t frequency_spm; /* 1 to 6 000 */
    uint8_t needles;        /* 1 to 99 */
    uint8_t purpose;        /* MESO_PURPOSE_; 0 = not known */
    uint8_t present;        /* MESO_SETTINGS_HAS_ */
};

struct meso_settings {
    uint32_t session;
    uint16_t command;
    struct meso_set_points set;
    struct meso_limits limits;
    uint16_t lease_ms;
    uint8_t lease_loss; /* MESO_LEASE_LOSS_ */
};

struct meso_host_hello {
    uint8_t protocol_min;
    uint8_t protocol_max;
    uint32_t schema;
    uint32_t session; /* never 0, as in every message of a host */
    uint8_t nonce[MESO_NONCE_BYTES];
};

/* ACKNOWLEDGE and KEEP_ALIVE. */
struct meso_watermark {
    uint32_t session;
    uint64_t epoch;   /* 0 = the host holds nothing yet */
    uint32_t counter; /* 0 = none yet */
};

struct meso_send_from {
    uint32_t session;
    uint16_t request;
    uint64_t epoch;
    uint32_t counter;
};

struct meso_time_request {
    uint32_t request;
    int64_t host_sent_ns;
};

struct meso_assign_epoch {
    uint32_t session;
    uint16_t command;
    uint64_t replaces; /* 0 = none */
    uint64_t epoch;
};

struct meso_inhibit {
    uint32_t session;
    uint16_t command;
    uint8_t reason; /* 0 says nothing */
};

struct meso_resume {
    uint32_t session;
    uint16_t command;
    uint32_t inhibit_number;
};

struct meso_set_limits {
    uint32_t session;
    uint16_t command;
    struct meso_limits limits;
};

struct meso_read_settings {
    uint32_t session;
    uint16_t command;
};

struct meso_identify {
    uint32_t session;
    uint16_t command;
    uint8_t seconds; /* 0 = stop; at most MESO_IDENTIFY_SECONDS_MAX */
};

/* `kind` (MESO_KIND_) says which member counts. */
struct meso_message {
    uint8_t kind;
    union {
        struct meso_hello hello;
        struct meso_shot shot;
        struct meso_status status;
        struct meso_range range;
        struct meso_time_answer time_answer;
        struct meso_result result;
        struct meso_settings settings;
        struct meso_host_hello host_hello;
        struct meso_watermark watermark;
        struct meso_send_from send_from;
        struct meso_time_request time_request;
        struct meso_assign_epoch assign_epoch;
        struct meso_inhibit inhibit;
        struct meso_resume resume;
        struct meso_set_limits set_limits;
        struct meso_read_settings read_settings;
        struct meso_identify identify;
    } as;
};

/*
 * Writes the payload of a message, `out` having room for MESO_PAYLOAD_BYTES_MAX. Returns its
 * length or MESO_ERR_UNKNOWN_KIND. Ranges are not looked at: that is the reader's duty.
 */
int meso_payload_encode(const struct meso_message *message, uint8_t *out);

/*
 * Reads a frame whose checksum was right. Returns 0, or MESO_ERR_UNKNOWN_FLAGS to
 * MESO_ERR_NO_IDENTITY; `message` is then unspecified. Absent fields are read as zero.
 */
int meso_message_decode(const struct meso_frame *frame, struct meso_message *message);

/// Ring ///

/*
 * One slot. The firmware only provides the memory; a record that is damaged there is noticed by
 * its check and counted as lost.
 */
struct meso_record {
    uint8_t payload[MESO_SHOT_BYTES];
    uint32_t check;
};

/* The library's book of the ring; of two copies one is always whole. */
struct meso_book {
    uint64_t epoch;
    uint32_t magic;
    uint32_t written; /* grows with every write, so that the newer copy is known */
    uint32_t slots;
    uint32_t held;
    uint32_t newest;
    uint32_t acknowledged;
    uint32_t lost;
    uint32_t lifetime_shots;
    uint32_t inhibited;
    uint32_t inhibit_number;
    uint32_t reserved;
    uint32_t check;
};

/*
 * What outlives a reset if it lies where nothing clears it (a .noinit section, battery-backed
 * RAM, FRAM in the address space). What it holds at a start is never believed without its check.
 */
struct meso_retained {
    struct meso_book copy[2];
};

/// The gun ///

/* All that the library needs of the gun. It must outlive the gun's structure unchanged. */
struct meso_config {
    /* Handed to every callback; the library does not look at it. May be null. */
    void *context;

    /*
     * The gun's clock in microseconds since its start, 0 to 9e15. It must be the counter that
     * stamps shots, must never go back and must not miss time when interrupts come late: read a
     * free-running hardware counter, do not count interrupts. Required.
     */
    uint64_t (*now_us)(void *context);

    /*
     * How many bytes `write` would take now. Less than MESO_WIRE_BYTES_MAX keeps the library
     * from building the next frame. The time answer carries the time at which it was built, so
     * say 0 while earlier bytes still wait, or that time is early by 87 us a byte at
     * 115 200 baud. Null: there is always room.
     */
    size_t (*room)(void *context);

    /*
     * Takes a whole frame of 1 to MESO_WIRE_BYTES_MAX bytes; the bytes are the library's again
     * on return. Must not block for longer than the gun may go without looking at its trigger.
     * What cannot be sent is dropped: the host asks again. Required.
     */
    void (*write)(void *context, const uint8_t *bytes, size_t length);

    /*
     * Keep everyone else out of the gun's structure, and let them in again: needed where shots
     * are fired from an interrupt and the line is served outside of it; disabling that interrupt
     * will do. Called in pairs, never nested, never around `write`, `random` or a checksum or
     * tag; the other callbacks may be called between them. meso_gun_receive, meso_gun_poll and
     * meso_gun_line_reset must all be called from one context. Both null: one context only.
     */
    void (*lock)(void *context);
    void (*unlock)(void *context);

    /*
     * Tells that an inhibition began or ended; `reason` is the host's code, 0 = it gave none or
     * the lease was lost. Null: the firmware asks meso_gun_may_fire before every trigger, which
     * it must do anyway. Must not call the library.
     */
    void (*inhibition_changed)(void *context, bool inhibited, uint8_t reason);

    /*
     * Tells what the gun is set to now; `set` comes as all zeros, which says nothing. Null: the
     * gun cannot say. Must not call the library.
     */
    void (*settings_read)(void *context, struct meso_set_points *set);

    /*
     * The host sets other limits in place of those in force; asked only with
     * MESO_CAN_SET_LIMITS, and none is wider than `limits` below. MESO_RESULT_DONE: from now on
     * the library refuses triggers above them; a gun that can keep them hands them to
     * meso_gun_set_limits after its next start. MESO_RESULT_OUTSIDE: the gun cannot enforce
     * these, and the old ones stay. Null: done. Must not call the library.
     */
    uint8_t (*limits_set)(void *context, const struct meso_limits *limits);

    /*
     * Blink or beep for so many seconds, 0 to 60, 0 = stop, so that a person sees which gun it
     * is. Required with MESO_CAN_IDENTIFY. Must not call the library.
     */
    void (*identify)(void *context, uint8_t seconds);

    /*
     * Fills `length` bytes with random numbers that nobody can guess: from a hardware generator,
     * or from one seeded at provisioning that never repeats. Required with `key`.
     */
    void (*random)(void *context, uint8_t *bytes, size_t length);

    /*
     * MESO_KEY_BYTES that only this gun and its clinic's hosts know, written at provisioning.
     * Null: the gun has none, and believes every host.
     */
    const uint8_t *key;

    /* Serial number: 1 to 16 of A-Z 0-9 -, ended by a zero. The identity of the gun. Required. */
    const char *serial;
    /* Model and firmware version: each 1 to 16 of printable ASCII, ended by a zero. Required. */
    const char *model;
    const char *firmware;
    /* First 8 bytes of the SHA-256 of the firmware image; zeros = not known. */
    uint8_t firmware_hash[8];

    /* A random number of this start, any value; two starts should not share one. */
    uint32_t boot_id;
    /* Starts in the gun's life, this one included, wrapping; 0 = not counted. */
    uint32_t boot_count;

    /*
     * MESO_CAN_ bits. MESO_CAN_KEEP_RING only if `retained` and `ring` outlive a power cut;
     * MESO_CAN_AUTHENTICATE is set or cleared by the library.
     */
    uint32_t capabilities;

    /*
     * Limits that the gun is built to, in force from the start; 0 = none. With
     * MESO_CAN_SET_LIMITS the host may set tighter ones, and take those back.
     */
    struct meso_limits limits;

    /*
     * What the gun does when it has not heard its host for MESO_LEASE_US:
     * MESO_LEASE_LOSS_CONTINUE or MESO_LEASE_LOSS_INHIBIT.
     */
    uint8_t lease_loss;

    /* Memory for the two books, aligned for a uint64_t. Required; see meso_retained. */
    struct meso_retained *retained;
    /* Memory for the shots; beside `retained`, or lost with it. Required. */
    struct meso_record *ring;
    /* Slots of `ring`, 1 to 16 777 216. 256 bridge half a minute at 9 shots a second. */
    uint32_t ring_slots;
};

/* An answer that waits to be sent. */
struct meso_answer {
    uint8_t kind;
    uint8_t length;
    uint8_t payload[MESO_HELLO_BYTES]; /* the longest that a gun sends */
};

/* The lease of the host that greeted last. */
struct meso_lease {
    bool held;
    bool streaming;
    uint32_t session;
    uint8_t host_nonce[MESO_NONCE_BYTES];
    uint8_t gun_nonce[MESO_NONCE_BYTES];
    uint8_t session_key[MESO_KEY_BYTES];
    uint32_t sent;   /* counter of the last frame that went out with a tag */
    uint32_t heard;  /* largest counter of a host's frame with a right tag */
    uint32_t cursor; /* the counter that goes out next, while streaming */
    uint64_t heard_at_us;
    uint64_t status_at_us;
    struct {
        uint16_t command;
        uint8_t result;
    } remembered[MESO_COMMANDS_REMEMBERED];
    uint8_t remembered_first;
    uint8_t remembered_count;
};

/*
 * The gun's end of the line. The firmware provides the memory (3.2 KB) and reads none of it but
 * through the functions below. It may lie in cleared memory.
 */
struct meso_gun {
    const struct meso_config *config;
    struct meso_book book;
    struct meso_housekeeping housekeeping;
    struct meso_limits limits; /* in force */
    uint32_t refused;          /* triggers since this start */
    uint32_t not_authentic;    /* frames since this start */
    bool triggered;            /* a shot was allowed and is not yet counted */
    struct meso_decoder decoder;
    struct meso_lease lease;
    struct meso_answer answers[MESO_ANSWERS_MAX];
    uint8_t answers_first;
    uint8_t answers_count;
    uint16_t sequence;
    uint64_t greeting_at_us;
    bool has_fired; /* since this start */
    uint64_t fired_at_us;
    uint8_t frame[MESO_WIRE_BYTES_MAX];
};

/*
 * Begins a start of the firmware. What `retained` and `ring` prove is continued: epoch, counter,
 * shots, watermark, and an inhibition. If they prove nothing, the gun has no epoch, counts from 1
 * and asks the host for an epoch. Returns 1 if it continues, 0 if it begins anew,
 * MESO_ERR_CONFIG. No other function may be called before it, or after it failed.
 */
int meso_gun_start(struct meso_gun *gun, const struct meso_config *config);

/* Whether a shot would be allowed, its settings aside: for a lamp. Counts nothing. */
bool meso_gun_may_fire(struct meso_gun *gun);

/*
 * Asks whether the trigger that was just pulled may fire with these settings, the needle still
 * retracted; to be called once for each pull. Returns 0, MESO_ERR_INHIBITED,
 * MESO_ERR_ABOVE_LIMIT (both counted in STATUS as refused) or MESO_ERR_EXHAUSTED. After 0 the
 * shot counts whatever the host says until meso_gun_fire: a shot under way is never stopped and
 * never lost.
 */
int meso_gun_trigger(struct meso_gun *gun, const struct meso_set_points *set);

/*
 * Counts and keeps one trigger that happened at `tick_us`, and says in `counter`, unless that is
 * null, which it was. To be called once for each trigger, whatever its purpose and its outcome.
 * MESO_SHOT_HAS_INTERVAL of `measured->present` is set or cleared by the library. Returns 0, or,
 * without a meso_gun_trigger that said 0, what that would have said of the settings in
 * `measured`; nothing is counted as a shot then.
 */
int meso_gun_fire(struct meso_gun *gun, const struct meso_measured *measured, uint64_t tick_us,
                  uint32_t *counter);

/*
 * Takes bytes as they were read; `received_us` is the gun's clock when the last of them was in.
 * The closer to the truth it is, the better the host knows when each shot was.
 */
void meso_gun_receive(struct meso_gun *gun, const uint8_t *bytes, size_t length,
                      uint64_t received_us);

/*
 * Sends at most one frame through `write`. Returns the bytes written, or 0 when there is nothing
 * to say or no room. To be called as long as it returns more than 0, and again after each
 * receive, each shot, and at least every 50 ms, because it also keeps the timers.
 */
int meso_gun_poll(struct meso_gun *gun);

/* The line was closed or opened: what was half received is void, and so is the lease. */
void meso_gun_line_reset(struct meso_gun *gun);

/* Sets what the next STATUS says; `lifetime_shots` is filled in by the library. */
void meso_gun_set_housekeeping(struct meso_gun *gun, const struct meso_housekeeping *state);

/* What the ring holds. */
struct meso_inventory meso_gun_inventory(struct meso_gun *gun);

/* Whether a host holds the lease. */
bool meso_gun_has_host(struct meso_gun *gun);

/* The limits in force. */
struct meso_limits meso_gun_limits(struct meso_gun *gun);

/*
 * Puts limits in force that the gun has kept from before its start; 0 = those it is built to.
 * Returns 0, or MESO_ERR_CONFIG where one is outside its range or wider than the gun is built to.
 */
int meso_gun_set_limits(struct meso_gun *gun, const struct meso_limits *limits);

/* What was on the line since it was last opened; `not_authentic` since the start. */
struct meso_line_counters meso_gun_line_counters(struct meso_gun *gun);

#ifdef __cplusplus
}
#endif

#endif
