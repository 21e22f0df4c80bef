/* The gun's end of the meso link: greeting, lease, ring, stream, time, commands. */
#include <string.h>

#include "meso_link.h"

#define BOOK_MAGIC 0x4F53454DU /* "MESO" */
#define RING_SLOTS_MAX 16777216U

/* Where the epoch lies in the payload of a SHOT. */
#define SHOT_EPOCH_AT 0
#define SHOT_COUNTER_AT 8
/* Where the session lies in the payload of a HELLO. */
#define HELLO_SESSION_AT 6

static void lock(const struct meso_gun *gun) {
    if (gun->config->lock != NULL) {
        gun->config->lock(gun->config->context);
    }
}

static void unlock(const struct meso_gun *gun) {
    if (gun->config->unlock != NULL) {
        gun->config->unlock(gun->config->context);
    }
}

static uint64_t now_us(const struct meso_gun *gun) {
    return gun->config->now_us(gun->config->context);
}

/* How long ago `then` is; 0 where it is still to come. */
static uint64_t since(uint64_t then, uint64_t now) {
    return now > then ? now - then : 0;
}

/// Book and ring ///

static uint32_t check_of(const void *bytes, size_t length) {
    return meso_crc32(bytes, length);
}

static bool is_whole(const struct meso_book *book) {
    return book->magic == BOOK_MAGIC &&
           book->check == check_of(book, offsetof(struct meso_book, check));
}

/* Writes the book over the older of its two copies: a reset in between leaves the other. */
static void keep_book(struct meso_gun *gun) {
    struct meso_book *book = &gun->book;
    book->written++;
    book->check = check_of(book, offsetof(struct meso_book, check));
    gun->config->retained->copy[book->written & 1] = *book;
}

static struct meso_record *record_of(const struct meso_gun *gun, uint32_t counter) {
    return &gun->config->ring[(counter - 1) % gun->config->ring_slots];
}

static uint32_t counter_of(const struct meso_record *record) {
    const uint8_t *at = record->payload + SHOT_COUNTER_AT;
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool holds(const struct meso_gun *gun, uint32_t counter) {
    const struct meso_record *record = record_of(gun, counter);
    return counter_of(record) == counter &&
           record->check == check_of(record->payload, sizeof record->payload);
}

/* The oldest counter that can be read; the one after the newest where the ring is empty. */
static uint32_t oldest(const struct meso_gun *gun) {
    return gun->book.newest - gun->book.held + 1;
}

/* Makes room in the book for the next shot: what is overwritten unread is lost. */
static void count_shot(struct meso_gun *gun) {
    struct meso_book *book = &gun->book;
    if (book->held == book->slots) {
        if (oldest(gun) > book->acknowledged && book->lost != UINT32_MAX) {
            book->lost++;
        }
        book->held--;
    }
    book->newest++;
    book->held++;
    book->lifetime_shots++;
}

static void empty_ring(struct meso_gun *gun) {
    struct meso_book *book = &gun->book;
    /* Records first: a book that outlives a reset must not find records of another epoch. */
    memset(gun->config->ring, 0, gun->config->ring_slots * sizeof *gun->config->ring);
    book->held = 0;
    book->newest = 0;
    book->acknowledged = 0;
    book->lost = 0;
}

/* Drops from the ring what is damaged, and what is older than that. */
static void drop_damaged(struct meso_gun *gun) {
    struct meso_book *book = &gun->book;
    uint32_t whole = 0;
    while (whole < book->held && holds(gun, book->newest - whole)) {
        whole++;
    }
    uint32_t first = oldest(gun);
    for (; book->held > whole; book->held--, first++) {
        if (first > book->acknowledged && book->lost != UINT32_MAX) {
            book->lost++;
        }
    }
}

/* Whether the retained memory proves how the counter goes on; if so, it is taken over. */
static bool continue_book(struct meso_gun *gun) {
    const struct meso_book *copies = gun->config->retained->copy;
    bool first = is_whole(&copies[0]);
    bool second = is_whole(&copies[1]);
    if (!first && !second) {
        return false;
    }
    /* The difference is taken so that a wrapped number is newer than the one before it. */
    bool second_is_newer = copies[1].written - copies[0].written < UINT32_MAX / 2;
    gun->book = copies[second && (!first || second_is_newer)];
    const struct meso_book *book = &gun->book;
    if (book->slots != gun->config->ring_slots || book->held > book->slots ||
        book->held > book->newest || book->newest > MESO_COUNTER_MAX) {
        return false;
    }
    /* A reset may have come after the record of a shot and before the book of it. */
    if (book->newest < MESO_COUNTER_MAX && holds(gun, book->newest + 1)) {
        count_shot(gun);
    }
    drop_damaged(gun);
    return true;
}

static void begin_book(struct meso_gun *gun) {
    memset(&gun->book, 0, sizeof gun->book);
    gun->book.magic = BOOK_MAGIC;
    gun->book.slots = gun->config->ring_slots;
    empty_ring(gun);
}

static struct meso_inventory inventory(const struct meso_gun *gun) {
    const struct meso_book *book = &gun->book;
    struct meso_inventory found = {
        .epoch = book->epoch,
        .oldest = book->held == 0 ? 0 : oldest(gun),
        .newest = book->newest,
        .acknowledged = book->acknowledged,
        .lost = book->lost,
    };
    return found;
}

/// Answers ///

static void drop_answers(struct meso_gun *gun) {
    gun->answers_first = 0;
    gun->answers_count = 0;
}

static void answer(struct meso_gun *gun, const struct meso_message *message) {
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    int length = meso_payload_encode(message, payload);
    if (length < 0 || (size_t)length > sizeof gun->answers[0].payload) {
        return; /* cannot happen: a gun's longest message is HELLO */
    }
    if (gun->answers_count == MESO_ANSWERS_MAX) {
        gun->answers_first = (uint8_t)(gun->answers_first + 1) % MESO_ANSWERS_MAX;
        gun->answers_count--;
    }
    unsigned at = (unsigned)(gun->answers_first + gun->answers_count) % MESO_ANSWERS_MAX;
    gun->answers[at].kind = message->kind;
    gun->answers[at].length = (uint8_t)length;
    memcpy(gun->answers[at].payload, payload, (size_t)length);
    gun->answers_count++;
}

static void copy_text(char *to, const char *from) {
    for (size_t i = 0; i < MESO_TEXT_BYTES && from[i] != '\0'; i++) {
        to[i] = from[i];
    }
}

static void answer_hello(struct meso_gun *gun, uint32_t session, uint64_t now) {
    const struct meso_config *config = gun->config;
    struct meso_message message;
    memset(&message, 0, sizeof message);
    message.kind = MESO_KIND_HELLO;
    struct meso_hello *hello = &message.as.hello;
    hello->protocol_min = MESO_PROTOCOL_MIN;
    hello->protocol_max = MESO_PROTOCOL_MAX;
    hello->schema = MESO_SCHEMA;
    hello->session = session;
    copy_text(hello->serial, config->serial);
    copy_text(hello->model, config->model);
    copy_text(hello->firmware, config->firmware);
    memcpy(hello->firmware_hash, config->firmware_hash, sizeof hello->firmware_hash);
    hello->boot_id = config->boot_id;
    hello->boot_count = config->boot_count;
    hello->inventory = inventory(gun);
    hello->capabilities = config->capabilities & ~(uint32_t)MESO_CAN_AUTHENTICATE;
    if (config->key != NULL) {
        hello->capabilities |= MESO_CAN_AUTHENTICATE;
    }
    hello->limits = gun->limits;
    hello->lease_ms = (uint16_t)(MESO_LEASE_US / 1000);
    hello->lease_loss = config->lease_loss;
    hello->inhibited = gun->book.inhibited != 0;
    hello->inhibit_number = gun->book.inhibit_number;
    hello->tick_us = now;
    if (config->key != NULL && gun->lease.held && gun->lease.session == session) {
        memcpy(hello->nonce, gun->lease.gun_nonce, sizeof hello->nonce);
    }
    answer(gun, &message);
}

static void answer_status(struct meso_gun *gun, uint64_t now) {
    struct meso_message message;
    memset(&message, 0, sizeof message);
    message.kind = MESO_KIND_STATUS;
    struct meso_status *status = &message.as.status;
    status->tick_us = now;
    status->inventory = inventory(gun);
    status->housekeeping = gun->housekeeping;
    status->housekeeping.lifetime_shots = gun->book.lifetime_shots;
    status->housekeeping.present =
        (gun->housekeeping.present & MESO_STATUS_HAS_ALL) | MESO_STATUS_HAS_LIFETIME_SHOTS;
    status->inhibited = gun->book.inhibited != 0;
    status->inhibit_number = gun->book.inhibit_number;
    status->refused = gun->refused;
    answer(gun, &message);
}

static struct meso_message range_message(const struct meso_gun *gun, uint16_t request,
                                         uint32_t requested, uint32_t from) {
    struct meso_message message = {.kind = MESO_KIND_RANGE};
    struct meso_range range = {
        .session = gun->lease.session,
        .request = request,
        .epoch = gun->book.epoch,
        .requested = requested,
        .from = from,
        .newest = gun->book.newest,
    };
    message.as.range = range;
    return message;
}

/// Inhibition ///

static void tell_inhibition(const struct meso_gun *gun, uint8_t reason) {
    if (gun->config->inhibition_changed != NULL) {
        gun->config->inhibition_changed(gun->config->context, gun->book.inhibited != 0, reason);
    }
}

/* Inhibiting an inhibited gun changes nothing, not even the number. */
static void begin_inhibition(struct meso_gun *gun, uint8_t reason) {
    if (gun->book.inhibited != 0) {
        return;
    }
    gun->book.inhibited = 1;
    gun->book.inhibit_number++;
    keep_book(gun);
    tell_inhibition(gun, reason);
}

static uint8_t end_inhibition(struct meso_gun *gun, uint32_t inhibit_number) {
    if (inhibit_number != gun->book.inhibit_number) {
        return MESO_RESULT_OTHER_INHIBITION;
    }
    if (gun->book.inhibited != 0) {
        gun->book.inhibited = 0;
        keep_book(gun);
        tell_inhibition(gun, 0);
    }
    return MESO_RESULT_DONE;
}

/// Limits ///

static bool is_above(uint32_t value, uint32_t limit) {
    return limit != 0 && value > limit;
}

/* The limits that come into force; 0 in `asked` is what the gun is built to. */
static struct meso_limits tightened(const struct meso_gun *gun, const struct meso_limits *asked) {
    struct meso_limits limits = *asked;
    const struct meso_limits *built = &gun->config->limits;
    if (limits.depth_max_um == 0) {
        limits.depth_max_um = built->depth_max_um;
    }
    if (limits.volume_max_nl == 0) {
        limits.volume_max_nl = built->volume_max_nl;
    }
    if (limits.frequency_max_spm == 0) {
        limits.frequency_max_spm = built->frequency_max_spm;
    }
    return limits;
}

static bool is_wider_than_built(const struct meso_gun *gun, const struct meso_limits *asked) {
    const struct meso_limits *built = &gun->config->limits;
    return is_above(asked->depth_max_um, built->depth_max_um) ||
           is_above(asked->volume_max_nl, built->volume_max_nl) ||
           is_above(asked->frequency_max_spm, built->frequency_max_spm);
}

static uint8_t set_limits(struct meso_gun *gun, const struct meso_limits *asked) {
    const struct meso_config *config = gun->config;
    if ((config->capabilities & MESO_CAN_SET_LIMITS) == 0) {
        return MESO_RESULT_UNSUPPORTED;
    }
    if (is_wider_than_built(gun, asked)) {
        return MESO_RESULT_OUTSIDE;
    }
    struct meso_limits limits = tightened(gun, asked);
    uint8_t result = config->limits_set == NULL ? MESO_RESULT_DONE
                                                : config->limits_set(config->context, &limits);
    if (result == MESO_RESULT_DONE) {
        gun->limits = limits;
    }
    return result;
}

/* Whether a shot is allowed; what inhibition or a limit forbids is counted as refused. */
static int judge_trigger(struct meso_gun *gun, const struct meso_set_points *set) {
    const struct meso_limits *limits = &gun->limits;
    uint8_t has = set->present;
    int result = MESO_OK;
    if (gun->book.inhibited != 0) {
        result = MESO_ERR_INHIBITED;
    } else if ((has & MESO_SETTINGS_HAS_DEPTH && is_above(set->depth_um, limits->depth_max_um)) ||
               (has & MESO_SETTINGS_HAS_VOLUME && is_above(set->volume_nl, limits->volume_max_nl)) ||
               (has & MESO_SETTINGS_HAS_FREQUENCY &&
                is_above(set->frequency_spm, limits->frequency_max_spm))) {
        result = MESO_ERR_ABOVE_LIMIT;
    } else if (gun->book.newest >= MESO_COUNTER_MAX) {
        return MESO_ERR_EXHAUSTED;
    }
    if (result != MESO_OK && gun->refused != UINT32_MAX) {
        gun->refused++;
    }
    return result;
}

/// Sessions ///

/* Whether host and gun share a version, and mean the same by it. */
static bool is_spoken(const struct meso_host_hello *host) {
    uint8_t newest = host->protocol_max < MESO_PROTOCOL_MAX ? host->protocol_max
                                                            : MESO_PROTOCOL_MAX;
    uint8_t floor = host->protocol_min > MESO_PROTOCOL_MIN ? host->protocol_min
                                                           : MESO_PROTOCOL_MIN;
    /* The schema number is that of the host's newest version: another version has another one. */
    bool agrees = host->protocol_max != newest || host->schema == MESO_SCHEMA;
    return newest >= floor && agrees;
}

/*
 * Gives the lease to the host that greets, unless it has it. Only the line's own context looks
 * at the lease, so that the session key is made without keeping anyone out.
 */
static void take_session(struct meso_gun *gun, const struct meso_host_hello *host, uint64_t now) {
    const struct meso_config *config = gun->config;
    struct meso_lease *lease = &gun->lease;
    bool is_known = lease->held && lease->session == host->session &&
                    memcmp(lease->host_nonce, host->nonce, sizeof host->nonce) == 0;
    if (is_known || !is_spoken(host)) {
        return;
    }
    drop_answers(gun);
    memset(lease, 0, sizeof *lease);
    lease->held = true;
    lease->session = host->session;
    lease->heard_at_us = now;
    lease->status_at_us = now + MESO_STATUS_INTERVAL_US;
    memcpy(lease->host_nonce, host->nonce, sizeof host->nonce);
    if (config->key != NULL) {
        config->random(config->context, lease->gun_nonce, sizeof lease->gun_nonce);
        meso_session_key(config->key, lease->host_nonce, lease->gun_nonce, lease->session,
                         config->serial, lease->session_key);
    }
}

static void end_session(struct meso_gun *gun) {
    drop_answers(gun);
    memset(&gun->lease, 0, sizeof gun->lease);
}

/* A greeting that is due later goes out at once, so that the host greets back. */
static void hasten_greeting(struct meso_gun *gun, uint64_t now) {
    if (now < gun->greeting_at_us) {
        gun->greeting_at_us = now;
    }
}

/* Whether a message is a host's that names a session, other than its greeting. */
static bool names_session(const struct meso_message *message) {
    return (message->kind & 0x80) != 0 && message->kind != MESO_KIND_HOST_HELLO &&
           message->kind != MESO_KIND_TIME_REQUEST;
}

static void count_not_authentic(struct meso_gun *gun, struct meso_frame *frame, uint64_t now) {
    struct meso_message message;
    if (gun->not_authentic != UINT32_MAX) {
        gun->not_authentic++;
    }
    /* Somebody believes in a session that this gun has not: it says who it is, and no more. */
    if (frame->tag != NULL) {
        frame->flags &= (uint8_t)~MESO_FRAME_AUTHENTIC;
    }
    if (!gun->lease.held && meso_message_decode(frame, &message) == MESO_OK &&
        names_session(&message)) {
        hasten_greeting(gun, now);
    }
}

/*
 * Whether a frame may be listened to. In a session with a key every frame must have the right
 * tag and a counter above all before; without one nobody can tell, and a tag is a mistake.
 * A greeting never has a tag: it comes before there is a key.
 */
static bool is_admitted(struct meso_gun *gun, struct meso_frame *frame) {
    bool is_flagged = (frame->flags & MESO_FRAME_AUTHENTIC) != 0;
    if (frame->kind == MESO_KIND_HOST_HELLO || gun->config->key == NULL) {
        return !is_flagged;
    }
    struct meso_lease *lease = &gun->lease;
    if (!lease->held || frame->counter <= lease->heard ||
        !meso_frame_open(frame, lease->session_key)) {
        return false;
    }
    lease->heard = frame->counter;
    return true;
}

/// Messages of the host ///

/*
 * Renews the lease if the session is the one that holds it; else says who this gun is, so that
 * the host greets it.
 */
static bool is_of_host(struct meso_gun *gun, uint32_t session, uint64_t now) {
    if (gun->lease.held && gun->lease.session == session) {
        gun->lease.heard_at_us = now;
        return true;
    }
    if (!gun->lease.held) {
        hasten_greeting(gun, now);
    }
    return false;
}

static void on_time_request(struct meso_gun *gun, const struct meso_time_request *request,
                            uint64_t now) {
    struct meso_message message = {.kind = MESO_KIND_TIME_ANSWER};
    struct meso_time_answer time = {
        .request = request->request,
        .host_sent_ns = request->host_sent_ns,
        .gun_received_us = now,
        .gun_sent_us = now,
    };
    message.as.time_answer = time;
    if (gun->lease.held) {
        gun->lease.heard_at_us = now;
    }
    answer(gun, &message);
}

static void on_watermark(struct meso_gun *gun, const struct meso_watermark *mark, uint64_t now) {
    struct meso_book *book = &gun->book;
    if (!is_of_host(gun, mark->session, now) || mark->epoch == 0 || mark->epoch != book->epoch) {
        return;
    }
    uint32_t counter = mark->counter < book->newest ? mark->counter : book->newest;
    if (counter > book->acknowledged) {
        book->acknowledged = counter;
        keep_book(gun);
    }
}

static void on_send_from(struct meso_gun *gun, const struct meso_send_from *request,
                         uint64_t now) {
    const struct meso_book *book = &gun->book;
    if (!is_of_host(gun, request->session, now) || book->epoch == 0 ||
        request->epoch != book->epoch) {
        return;
    }
    uint32_t from = request->counter > oldest(gun) ? request->counter : oldest(gun);
    /* A counter beyond the next shot is answered as asked; the host compares with `newest`. */
    gun->lease.cursor = from > book->newest ? book->newest + 1 : from;
    gun->lease.streaming = true;
    struct meso_message message =
        range_message(gun, request->request, request->counter, from);
    answer(gun, &message);
}

/// Commands ///

static uint8_t assign_epoch(struct meso_gun *gun, const struct meso_assign_epoch *command) {
    struct meso_book *book = &gun->book;
    if (book->epoch == command->epoch) {
        return MESO_RESULT_DONE;
    }
    if (book->epoch != command->replaces) {
        return MESO_RESULT_OTHER_EPOCH;
    }
    if (book->epoch != 0) {
        if (book->acknowledged < book->newest) {
            return MESO_RESULT_HOLDS_UNACKNOWLEDGED;
        }
        empty_ring(gun);
    }
    book->epoch = command->epoch;
    keep_book(gun);
    gun->lease.streaming = false;
    return MESO_RESULT_DONE;
}

static uint8_t identify(const struct meso_gun *gun, uint8_t seconds) {
    const struct meso_config *config = gun->config;
    if ((config->capabilities & MESO_CAN_IDENTIFY) == 0) {
        return MESO_RESULT_UNSUPPORTED;
    }
    config->identify(config->context, seconds);
    return MESO_RESULT_DONE;
}

static uint8_t act(struct meso_gun *gun, const struct meso_message *message) {
    switch (message->kind) {
    case MESO_KIND_ASSIGN_EPOCH:
        return assign_epoch(gun, &message->as.assign_epoch);
    case MESO_KIND_INHIBIT:
        if ((gun->config->capabilities & MESO_CAN_INHIBIT) == 0) {
            return MESO_RESULT_UNSUPPORTED;
        }
        begin_inhibition(gun, message->as.inhibit.reason);
        return MESO_RESULT_DONE;
    case MESO_KIND_RESUME:
        return end_inhibition(gun, message->as.resume.inhibit_number);
    case MESO_KIND_SET_LIMITS:
        return set_limits(gun, &message->as.set_limits.limits);
    case MESO_KIND_IDENTIFY:
        return identify(gun, message->as.identify.seconds);
    default:
        return MESO_RESULT_DONE; /* READ_SETTINGS: its answer is the act */
    }
}

/* Does a command that was not done before, and says in either case what became of it. */
static uint8_t act_once(struct meso_gun *gun, uint16_t command,
                        const struct meso_message *message) {
    struct meso_lease *lease = &gun->lease;
    for (unsigned i = 0; i < lease->remembered_count; i++) {
        unsigned at = (lease->remembered_first + i) % MESO_COMMANDS_REMEMBERED;
        if (lease->remembered[at].command == command) {
            return lease->remembered[at].result;
        }
    }
    uint8_t result = act(gun, message);
    if (lease->remembered_count == MESO_COMMANDS_REMEMBERED) {
        lease->remembered_first = (uint8_t)(lease->remembered_first + 1) % MESO_COMMANDS_REMEMBERED;
        lease->remembered_count--;
    }
    unsigned at = (unsigned)(lease->remembered_first + lease->remembered_count) %
                  MESO_COMMANDS_REMEMBERED;
    lease->remembered[at].command = command;
    lease->remembered[at].result = result;
    lease->remembered_count++;
    return result;
}

static void answer_result(struct meso_gun *gun, uint16_t command, uint8_t became) {
    struct meso_message reply = {.kind = MESO_KIND_RESULT};
    struct meso_result result = {
        .session = gun->lease.session,
        .command = command,
        .result = became,
        .inhibited = gun->book.inhibited != 0,
        .inhibit_number = gun->book.inhibit_number,
        .epoch = gun->book.epoch,
        .limits = gun->limits,
    };
    reply.as.result = result;
    answer(gun, &reply);
}

/* What the gun is set to is read anew for each answer, also for one that is asked for again. */
static void answer_settings(struct meso_gun *gun, uint16_t command) {
    const struct meso_config *config = gun->config;
    struct meso_message reply = {.kind = MESO_KIND_SETTINGS};
    struct meso_settings settings = {
        .session = gun->lease.session,
        .command = command,
        .limits = gun->limits,
        .lease_ms = (uint16_t)(MESO_LEASE_US / 1000),
        .lease_loss = config->lease_loss,
    };
    if (config->settings_read != NULL) {
        config->settings_read(config->context, &settings.set);
        settings.set.present &= MESO_SETTINGS_HAS_ALL;
    }
    reply.as.settings = settings;
    answer(gun, &reply);
}

static void on_command(struct meso_gun *gun, uint32_t session, uint16_t command,
                       const struct meso_message *message, uint64_t now) {
    if (!is_of_host(gun, session, now)) {
        return;
    }
    uint8_t became = act_once(gun, command, message);
    if (message->kind == MESO_KIND_READ_SETTINGS) {
        answer_settings(gun, command);
        return;
    }
    answer_result(gun, command, became);
    /* The greeting is said anew, so that the host begins from the new epoch. */
    if (message->kind == MESO_KIND_ASSIGN_EPOCH &&
        gun->book.epoch == message->as.assign_epoch.epoch) {
        answer_hello(gun, session, now);
    }
}

static void handle(struct meso_gun *gun, const struct meso_message *message, uint64_t now) {
    switch (message->kind) {
    /* Answered in any case, so that the host can show whom it cannot speak with. */
    case MESO_KIND_HOST_HELLO: answer_hello(gun, message->as.host_hello.session, now); break;
    case MESO_KIND_TIME_REQUEST: on_time_request(gun, &message->as.time_request, now); break;
    case MESO_KIND_ACKNOWLEDGE:
    case MESO_KIND_KEEP_ALIVE: on_watermark(gun, &message->as.watermark, now); break;
    case MESO_KIND_SEND_FROM: on_send_from(gun, &message->as.send_from, now); break;
    case MESO_KIND_ASSIGN_EPOCH: {
        const struct meso_assign_epoch *command = &message->as.assign_epoch;
        on_command(gun, command->session, command->command, message, now);
        break;
    }
    case MESO_KIND_INHIBIT:
        on_command(gun, message->as.inhibit.session, message->as.inhibit.command, message, now);
        break;
    case MESO_KIND_RESUME:
        on_command(gun, message->as.resume.session, message->as.resume.command, message, now);
        break;
    case MESO_KIND_SET_LIMITS: {
        const struct meso_set_limits *command = &message->as.set_limits;
        on_command(gun, command->session, command->command, message, now);
        break;
    }
    case MESO_KIND_READ_SETTINGS: {
        const struct meso_read_settings *command = &message->as.read_settings;
        on_command(gun, command->session, command->command, message, now);
        break;
    }
    case MESO_KIND_IDENTIFY: {
        const struct meso_identify *command = &message->as.identify;
        on_command(gun, command->session, command->command, message, now);
        break;
    }
    default:
        break; /* the gun's own messages coming back: a line that echoes */
    }
}

/// Sending ///

static void run_timers(struct meso_gun *gun, uint64_t now) {
    struct meso_lease *lease = &gun->lease;
    if (lease->held && since(lease->heard_at_us, now) >= MESO_LEASE_US) {
        end_session(gun);
        gun->greeting_at_us = now;
        if (gun->config->lease_loss == MESO_LEASE_LOSS_INHIBIT) {
            begin_inhibition(gun, 0);
        }
    }
    if (!lease->held && now >= gun->greeting_at_us) {
        gun->greeting_at_us = now + MESO_GREETING_INTERVAL_US;
        answer_hello(gun, 0, now);
    } else if (lease->held && now >= lease->status_at_us) {
        lease->status_at_us = now + MESO_STATUS_INTERVAL_US;
        answer_status(gun, now);
    }
}

/* A payload on its way out of the gun's structure. */
struct outgoing {
    uint8_t kind; /* 0 = nothing to say */
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    size_t length;
};

/* Whether a message goes out with a tag: all of a session with a key, but no other greeting. */
static bool is_sealed(const struct meso_gun *gun, const struct outgoing *next) {
    if (gun->config->key == NULL || !gun->lease.held) {
        return false;
    }
    const uint8_t *at = next->payload + HELLO_SESSION_AT;
    return next->kind != MESO_KIND_HELLO ||
           (at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24) ==
               gun->lease.session;
}

static int wrap(struct meso_gun *gun, const struct outgoing *next) {
    struct meso_lease *lease = &gun->lease;
    uint8_t *out = gun->frame;
    size_t before = 0;
    int encoded;
    /* Whoever has just opened the port may be in the middle of a frame. */
    if (next->kind == MESO_KIND_HELLO) {
        out[before++] = MESO_DELIMITER;
    }
    if (!is_sealed(gun, next)) {
        encoded = meso_frame_encode(next->kind, gun->sequence, next->payload, next->length,
                                    out + before, sizeof gun->frame - before);
    } else if (lease->sent == UINT32_MAX) {
        return 0; /* its counters are used up: silence, and the host begins a new session */
    } else {
        encoded = meso_frame_seal(next->kind, gun->sequence, next->payload, next->length,
                                  lease->session_key, ++lease->sent, out + before,
                                  sizeof gun->frame - before);
    }
    if (encoded < 0) {
        return 0; /* cannot happen: no layout is longer than a frame */
    }
    gun->sequence++;
    return (int)before + encoded;
}

static void put_le64(uint8_t *at, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void next_answer(struct meso_gun *gun, uint64_t now, struct outgoing *out) {
    struct meso_answer *next = &gun->answers[gun->answers_first];
    gun->answers_first = (uint8_t)(gun->answers_first + 1) % MESO_ANSWERS_MAX;
    gun->answers_count--;
    if (next->kind == MESO_KIND_TIME_ANSWER) {
        /* t3 is the time when the answer goes out, not when it was thought of; never before t2. */
        uint8_t *received = next->payload + MESO_TIME_ANSWER_BYTES - 16;
        uint8_t *sent = next->payload + MESO_TIME_ANSWER_BYTES - 8;
        uint64_t received_us = 0;
        for (unsigned i = 8; i-- > 0;) {
            received_us = received_us << 8 | received[i];
        }
        put_le64(sent, now > received_us ? now : received_us);
    }
    out->kind = next->kind;
    out->length = next->length;
    memcpy(out->payload, next->payload, next->length);
}

/* The shot at the cursor; where the ring has overtaken it, first where it goes on. */
static void next_shot(struct meso_gun *gun, struct outgoing *out) {
    struct meso_lease *lease = &gun->lease;
    if (gun->book.epoch == 0 || !lease->held || !lease->streaming) {
        return;
    }
    if (lease->cursor < oldest(gun)) {
        struct meso_message message = range_message(gun, 0, lease->cursor, oldest(gun));
        lease->cursor = oldest(gun);
        out->kind = message.kind;
        out->length = (size_t)meso_payload_encode(&message, out->payload);
        return;
    }
    if (lease->cursor > gun->book.newest) {
        return;
    }
    out->kind = MESO_KIND_SHOT;
    out->length = MESO_SHOT_BYTES;
    memcpy(out->payload, record_of(gun, lease->cursor)->payload, MESO_SHOT_BYTES);
    /* A shot of before the assignment goes out under the epoch that came. */
    put_le64(out->payload + SHOT_EPOCH_AT, gun->book.epoch);
    lease->cursor++;
}

/// For the firmware ///

static bool is_text(const char *text, bool serial) {
    size_t length = 0;
    if (text == NULL) {
        return false;
    }
    for (; text[length] != '\0'; length++) {
        char c = text[length];
        bool fits = serial ? (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
                           : c >= ' ' && c <= '~';
        if (!fits || length == MESO_TEXT_BYTES) {
            return false;
        }
    }
    return length > 0;
}

static bool is_in_range(const struct meso_limits *limits) {
    return limits->depth_max_um <= MESO_DEPTH_UM_MAX &&
           limits->frequency_max_spm <= MESO_FREQUENCY_SPM_MAX;
}

static bool is_valid(const struct meso_config *config) {
    return config->now_us != NULL && config->write != NULL &&
           (config->lock == NULL) == (config->unlock == NULL) && is_text(config->serial, true) &&
           is_text(config->model, false) && is_text(config->firmware, false) &&
           is_in_range(&config->limits) && (config->key == NULL || config->random != NULL) &&
           ((config->capabilities & MESO_CAN_IDENTIFY) == 0 || config->identify != NULL) &&
           config->lease_loss <= MESO_LEASE_LOSS_INHIBIT && config->retained != NULL &&
           config->ring != NULL && config->ring_slots >= 1 &&
           config->ring_slots <= RING_SLOTS_MAX;
}

int meso_gun_start(struct meso_gun *gun, const struct meso_config *config) {
    if (!is_valid(config)) {
        return MESO_ERR_CONFIG;
    }
    memset(gun, 0, sizeof *gun);
    gun->config = config;
    gun->limits = config->limits;
    bool continues = continue_book(gun);
    if (!continues) {
        begin_book(gun);
    }
    keep_book(gun);
    return continues ? 1 : 0;
}

bool meso_gun_may_fire(struct meso_gun *gun) {
    lock(gun);
    bool may = gun->book.inhibited == 0 && gun->book.newest < MESO_COUNTER_MAX;
    unlock(gun);
    return may;
}

int meso_gun_trigger(struct meso_gun *gun, const struct meso_set_points *set) {
    lock(gun);
    int result = judge_trigger(gun, set);
    gun->triggered = result == MESO_OK;
    unlock(gun);
    return result;
}

/* Writes the record of the next shot into its slot. */
static void keep_shot(struct meso_gun *gun, const struct meso_measured *measured,
                      uint64_t tick_us) {
    struct meso_message message = {.kind = MESO_KIND_SHOT};
    struct meso_shot *shot = &message.as.shot;
    memset(shot, 0, sizeof *shot);
    shot->epoch = gun->book.epoch;
    shot->counter = gun->book.newest + 1;
    shot->boot_id = gun->config->boot_id;
    shot->tick_us = tick_us;
    shot->measured = *measured;
    shot->measured.present &= MESO_SHOT_HAS_ALL & ~MESO_SHOT_HAS_INTERVAL;
    if (gun->has_fired) {
        shot->interval_us = since(gun->fired_at_us, tick_us);
        shot->measured.present |= MESO_SHOT_HAS_INTERVAL;
    }
    uint8_t payload[MESO_PAYLOAD_BYTES_MAX];
    (void)meso_payload_encode(&message, payload);
    struct meso_record *record = record_of(gun, shot->counter);
    memcpy(record->payload, payload, sizeof record->payload);
    record->check = check_of(record->payload, sizeof record->payload);
}

/* The settings of a shot that was measured. */
static struct meso_set_points set_points(const struct meso_measured *measured) {
    struct meso_set_points set = {
        .depth_um = measured->depth_set_um,
        .volume_nl = measured->volume_set_nl,
        .frequency_spm = measured->frequency_set_spm,
    };
    if (measured->present & MESO_SHOT_HAS_DEPTH_SET) {
        set.present |= MESO_SETTINGS_HAS_DEPTH;
    }
    if (measured->present & MESO_SHOT_HAS_VOLUME_SET) {
        set.present |= MESO_SETTINGS_HAS_VOLUME;
    }
    if (measured->present & MESO_SHOT_HAS_FREQUENCY_SET) {
        set.present |= MESO_SETTINGS_HAS_FREQUENCY;
    }
    return set;
}

int meso_gun_fire(struct meso_gun *gun, const struct meso_measured *measured, uint64_t tick_us,
                  uint32_t *counter) {
    struct meso_set_points set = set_points(measured);
    lock(gun);
    int result = gun->triggered ? MESO_OK : judge_trigger(gun, &set);
    gun->triggered = false;
    if (result == MESO_OK) {
        keep_shot(gun, measured, tick_us);
        count_shot(gun);
        keep_book(gun);
        gun->has_fired = true;
        gun->fired_at_us = tick_us;
        if (counter != NULL) {
            *counter = gun->book.newest;
        }
    }
    unlock(gun);
    return result;
}

static void take(struct meso_gun *gun, const struct meso_frame *frame, uint64_t received_us) {
    struct meso_message message;
    if (meso_message_decode(frame, &message) != MESO_OK) {
        return;
    }
    if (message.kind == MESO_KIND_HOST_HELLO) {
        take_session(gun, &message.as.host_hello, received_us);
    }
    lock(gun);
    handle(gun, &message, received_us);
    unlock(gun);
}

void meso_gun_receive(struct meso_gun *gun, const uint8_t *bytes, size_t length,
                      uint64_t received_us) {
    for (size_t i = 0; i < length; i++) {
        struct meso_frame frame;
        /* What is no frame is counted by the decoder; the host repeats what it wants answered. */
        if (meso_decoder_push(&gun->decoder, bytes[i], &frame) != 1) {
            continue;
        }
        if (is_admitted(gun, &frame)) {
            take(gun, &frame, received_us);
        } else {
            count_not_authentic(gun, &frame, received_us);
        }
    }
}

int meso_gun_poll(struct meso_gun *gun) {
    const struct meso_config *config = gun->config;
    if (config->room != NULL && config->room(config->context) < MESO_WIRE_BYTES_MAX) {
        return 0;
    }
    struct outgoing next;
    next.kind = 0;
    lock(gun);
    uint64_t now = now_us(gun);
    run_timers(gun, now);
    if (gun->answers_count > 0) {
        next_answer(gun, now, &next);
    } else {
        next_shot(gun, &next);
    }
    unlock(gun);
    /* Outside of the lock: a tag takes longer than a trigger should wait. */
    int length = next.kind == 0 ? 0 : wrap(gun, &next);
    if (length > 0) {
        config->write(config->context, gun->frame, (size_t)length);
    }
    return length;
}

void meso_gun_line_reset(struct meso_gun *gun) {
    lock(gun);
    memset(&gun->decoder, 0, sizeof gun->decoder);
    end_session(gun);
    gun->greeting_at_us = 0;
    unlock(gun);
}

void meso_gun_set_housekeeping(struct meso_gun *gun, const struct meso_housekeeping *state) {
    lock(gun);
    gun->housekeeping = *state;
    unlock(gun);
}

struct meso_inventory meso_gun_inventory(struct meso_gun *gun) {
    lock(gun);
    struct meso_inventory found = inventory(gun);
    unlock(gun);
    return found;
}

bool meso_gun_has_host(struct meso_gun *gun) {
    lock(gun);
    bool has = gun->lease.held;
    unlock(gun);
    return has;
}

struct meso_limits meso_gun_limits(struct meso_gun *gun) {
    lock(gun);
    struct meso_limits limits = gun->limits;
    unlock(gun);
    return limits;
}

int meso_gun_set_limits(struct meso_gun *gun, const struct meso_limits *limits) {
    if (!is_in_range(limits) || is_wider_than_built(gun, limits)) {
        return MESO_ERR_CONFIG;
    }
    lock(gun);
    gun->limits = tightened(gun, limits);
    unlock(gun);
    return MESO_OK;
}

struct meso_line_counters meso_gun_line_counters(struct meso_gun *gun) {
    lock(gun);
    struct meso_line_counters counters = gun->decoder.counters;
    counters.not_authentic = gun->not_authentic;
    unlock(gun);
    return counters;
}
