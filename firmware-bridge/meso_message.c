/* Messages of the meso link to payloads and back: SPEC.md section 5, field by field. */
#include <string.h>

#include "meso_link.h"

/// Writing ///

/* Where the next field goes. */
struct writer {
    uint8_t *at;
};

static void put(struct writer *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        *to->at++ = (uint8_t)(value >> (8 * i));
    }
}

static void put_u8(struct writer *to, uint8_t value) {
    put(to, value, 1);
}

static void put_u16(struct writer *to, uint16_t value) {
    put(to, value, 2);
}

static void put_u32(struct writer *to, uint32_t value) {
    put(to, value, 4);
}

static void put_u64(struct writer *to, uint64_t value) {
    put(to, value, 8);
}

static void put_bytes(struct writer *to, const uint8_t *bytes, size_t length) {
    memcpy(to->at, bytes, length);
    to->at += length;
}

/* Text is padded with zeros, and cut where the field ends. */
static void put_text(struct writer *to, const char *text) {
    bool ended = false;
    for (size_t i = 0; i < MESO_TEXT_BYTES; i++) {
        ended = ended || text[i] == '\0';
        put_u8(to, ended ? 0 : (uint8_t)text[i]);
    }
}

static void put_inventory(struct writer *to, const struct meso_inventory *inventory) {
    put_u64(to, inventory->epoch);
    put_u32(to, inventory->oldest);
    put_u32(to, inventory->newest);
    put_u32(to, inventory->acknowledged);
    put_u32(to, inventory->lost);
}

static void put_limits(struct writer *to, const struct meso_limits *limits) {
    put_u32(to, limits->depth_max_um);
    put_u32(to, limits->volume_max_nl);
    put_u16(to, limits->frequency_max_spm);
}

static void put_hello(struct writer *to, const struct meso_hello *hello) {
    put_u8(to, hello->protocol_min);
    put_u8(to, hello->protocol_max);
    put_u32(to, hello->schema);
    put_u32(to, hello->session);
    put_text(to, hello->serial);
    put_text(to, hello->model);
    put_text(to, hello->firmware);
    put_bytes(to, hello->firmware_hash, sizeof hello->firmware_hash);
    put_u32(to, hello->boot_id);
    put_u32(to, hello->boot_count);
    put_inventory(to, &hello->inventory);
    put_u32(to, hello->capabilities);
    put_limits(to, &hello->limits);
    put_u16(to, hello->lease_ms);
    put_u8(to, hello->lease_loss);
    put_u8(to, hello->inhibited);
    put_u32(to, hello->inhibit_number);
    put_u64(to, hello->tick_us);
    put_bytes(to, hello->nonce, sizeof hello->nonce);
}

static void put_shot(struct writer *to, const struct meso_shot *shot) {
    const struct meso_measured *measured = &shot->measured;
    uint16_t present = measured->present;
    put_u64(to, shot->epoch);
    put_u32(to, shot->counter);
    put_u32(to, shot->boot_id);
    put_u64(to, shot->tick_us);
    put_u64(to, present & MESO_SHOT_HAS_INTERVAL ? shot->interval_us : 0);
    put_u32(to, present & MESO_SHOT_HAS_DEPTH_SET ? measured->depth_set_um : 0);
    put_u32(to, present & MESO_SHOT_HAS_DEPTH_SENSED ? measured->depth_sensed_um : 0);
    put_u32(to, present & MESO_SHOT_HAS_VOLUME_SET ? measured->volume_set_nl : 0);
    put_u32(to, present & MESO_SHOT_HAS_VOLUME_SENSED ? measured->volume_sensed_nl : 0);
    put_u16(to, present & MESO_SHOT_HAS_FREQUENCY_SET ? measured->frequency_set_spm : 0);
    put_u8(to, present & MESO_SHOT_HAS_NEEDLES ? measured->needles : 0);
    put_u8(to, measured->purpose);
    put_u32(to, present & MESO_SHOT_HAS_PRESSURE ? (uint32_t)measured->pressure_pa : 0);
    put_u16(to, measured->flags);
    put_u16(to, present);
}

static void put_status(struct writer *to, const struct meso_status *status) {
    const struct meso_housekeeping *state = &status->housekeeping;
    uint8_t present = state->present;
    put_u64(to, status->tick_us);
    put_inventory(to, &status->inventory);
    put_u32(to, present & MESO_STATUS_HAS_BATTERY ? state->battery_mv : 0);
    put_u32(to, present & MESO_STATUS_HAS_TEMPERATURE ? (uint32_t)state->temperature_mc : 0);
    put_u32(to, present & MESO_STATUS_HAS_VACUUM ? (uint32_t)state->vacuum_pa : 0);
    put_u32(to, present & MESO_STATUS_HAS_SHOTS_ON_NEEDLE ? state->shots_on_needle : 0);
    put_u32(to, present & MESO_STATUS_HAS_LIFETIME_SHOTS ? state->lifetime_shots : 0);
    put_u32(to, state->faults);
    put_u8(to, status->inhibited);
    put_u8(to, present);
    put_u32(to, status->inhibit_number);
    put_u32(to, status->refused);
}

static void put_range(struct writer *to, const struct meso_range *range) {
    put_u32(to, range->session);
    put_u16(to, range->request);
    put_u64(to, range->epoch);
    put_u32(to, range->requested);
    put_u32(to, range->from);
    put_u32(to, range->newest);
}

static void put_time_answer(struct writer *to, const struct meso_time_answer *answer) {
    put_u32(to, answer->request);
    put_u64(to, (uint64_t)answer->host_sent_ns);
    put_u64(to, answer->gun_received_us);
    put_u64(to, answer->gun_sent_us);
}

static void put_result(struct writer *to, const struct meso_result *result) {
    put_u32(to, result->session);
    put_u16(to, result->command);
    put_u8(to, result->result);
    put_u8(to, result->inhibited);
    put_u32(to, result->inhibit_number);
    put_u64(to, result->epoch);
    put_limits(to, &result->limits);
}

static void put_settings(struct writer *to, const struct meso_settings *settings) {
    const struct meso_set_points *set = &settings->set;
    uint8_t present = set->present;
    put_u32(to, settings->session);
    put_u16(to, settings->command);
    put_u32(to, present & MESO_SETTINGS_HAS_DEPTH ? set->depth_um : 0);
    put_u32(to, present & MESO_SETTINGS_HAS_VOLUME ? set->volume_nl : 0);
    put_u16(to, present & MESO_SETTINGS_HAS_FREQUENCY ? set->frequency_spm : 0);
    put_u8(to, present & MESO_SETTINGS_HAS_NEEDLES ? set->needles : 0);
    put_u8(to, set->purpose);
    put_limits(to, &settings->limits);
    put_u16(to, settings->lease_ms);
    put_u8(to, settings->lease_loss);
    put_u8(to, present);
}

static void put_host_hello(struct writer *to, const struct meso_host_hello *hello) {
    put_u8(to, hello->protocol_min);
    put_u8(to, hello->protocol_max);
    put_u32(to, hello->schema);
    put_u32(to, hello->session);
    put_bytes(to, hello->nonce, sizeof hello->nonce);
}

static void put_watermark(struct writer *to, const struct meso_watermark *mark) {
    put_u32(to, mark->session);
    put_u64(to, mark->epoch);
    put_u32(to, mark->counter);
}

static void put_send_from(struct writer *to, const struct meso_send_from *request) {
    put_u32(to, request->session);
    put_u16(to, request->request);
    put_u64(to, request->epoch);
    put_u32(to, request->counter);
}

static void put_time_request(struct writer *to, const struct meso_time_request *request) {
    put_u32(to, request->request);
    put_u64(to, (uint64_t)request->host_sent_ns);
    put_u64(to, 0); /* padding, so that request and answer take equally long on the wire */
    put_u64(to, 0);
}

static void put_assign_epoch(struct writer *to, const struct meso_assign_epoch *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
    put_u64(to, command->replaces);
    put_u64(to, command->epoch);
}

static void put_inhibit(struct writer *to, const struct meso_inhibit *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
    put_u8(to, command->reason);
}

static void put_resume(struct writer *to, const struct meso_resume *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
    put_u32(to, command->inhibit_number);
}

static void put_set_limits(struct writer *to, const struct meso_set_limits *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
    put_limits(to, &command->limits);
}

static void put_read_settings(struct writer *to, const struct meso_read_settings *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
}

static void put_identify(struct writer *to, const struct meso_identify *command) {
    put_u32(to, command->session);
    put_u16(to, command->command);
    put_u8(to, command->seconds);
}

int meso_payload_encode(const struct meso_message *message, uint8_t *out) {
    struct writer to = {out};
    switch (message->kind) {
    case MESO_KIND_HELLO: put_hello(&to, &message->as.hello); break;
    case MESO_KIND_SHOT: put_shot(&to, &message->as.shot); break;
    case MESO_KIND_STATUS: put_status(&to, &message->as.status); break;
    case MESO_KIND_RANGE: put_range(&to, &message->as.range); break;
    case MESO_KIND_TIME_ANSWER: put_time_answer(&to, &message->as.time_answer); break;
    case MESO_KIND_RESULT: put_result(&to, &message->as.result); break;
    case MESO_KIND_SETTINGS: put_settings(&to, &message->as.settings); break;
    case MESO_KIND_HOST_HELLO: put_host_hello(&to, &message->as.host_hello); break;
    case MESO_KIND_ACKNOWLEDGE:
    case MESO_KIND_KEEP_ALIVE: put_watermark(&to, &message->as.watermark); break;
    case MESO_KIND_SEND_FROM: put_send_from(&to, &message->as.send_from); break;
    case MESO_KIND_TIME_REQUEST: put_time_request(&to, &message->as.time_request); break;
    case MESO_KIND_ASSIGN_EPOCH: put_assign_epoch(&to, &message->as.assign_epoch); break;
    case MESO_KIND_INHIBIT: put_inhibit(&to, &message->as.inhibit); break;
    case MESO_KIND_RESUME: put_resume(&to, &message->as.resume); break;
    case MESO_KIND_SET_LIMITS: put_set_limits(&to, &message->as.set_limits); break;
    case MESO_KIND_READ_SETTINGS: put_read_settings(&to, &message->as.read_settings); break;
    case MESO_KIND_IDENTIFY: put_identify(&to, &message->as.identify); break;
    default: return MESO_ERR_UNKNOWN_KIND;
    }
    return (int)(to.at - out);
}

/// Reading ///

/*
 * Where the next field comes from, and the first thing that was wrong. The length is checked
 * before the first field is read, so no field checks it again.
 */
struct reader {
    const uint8_t *at;
    int error;
};

static void refuse(struct reader *from, int error) {
    if (from->error == MESO_OK) {
        from->error = error;
    }
}

static uint64_t get(struct reader *from, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)*from->at++ << (8 * i);
    }
    return value;
}

static uint8_t get_u8(struct reader *from) {
    return (uint8_t)get(from, 1);
}

static uint16_t get_u16(struct reader *from) {
    return (uint16_t)get(from, 2);
}

static uint32_t get_u32(struct reader *from) {
    return (uint32_t)get(from, 4);
}

static uint64_t get_u64(struct reader *from) {
    return get(from, 8);
}

/* The two's complement of the wire without a conversion that C leaves open. */
static int64_t get_i64(struct reader *from) {
    uint64_t raw = get_u64(from);
    return raw > INT64_MAX ? -(int64_t)(UINT64_MAX - raw) - 1 : (int64_t)raw;
}

static int32_t get_i32(struct reader *from) {
    uint32_t raw = get_u32(from);
    return raw > INT32_MAX ? -(int32_t)(UINT32_MAX - raw) - 1 : (int32_t)raw;
}

static void get_bytes(struct reader *from, uint8_t *bytes, size_t length) {
    memcpy(bytes, from->at, length);
    from->at += length;
}

/* A session, request or counter that must name something. */
static uint32_t never_zero(struct reader *from, uint32_t value) {
    if (value == 0) {
        refuse(from, MESO_ERR_NO_IDENTITY);
    }
    return value;
}

static bool get_bool(struct reader *from) {
    uint8_t raw = get_u8(from);
    if (raw > 1) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
    return raw == 1;
}

static uint64_t get_tick(struct reader *from) {
    uint64_t tick_us = get_u64(from);
    if (tick_us > MESO_TICK_US_MAX) {
        refuse(from, MESO_ERR_IMPOSSIBLE);
    }
    return tick_us;
}

static void get_text(struct reader *from, char *text) {
    size_t length = 0;
    bool clean = true;
    bool ended = false;
    for (size_t i = 0; i < MESO_TEXT_BYTES; i++) {
        uint8_t byte = get_u8(from);
        if (byte == 0) {
            ended = true;
        } else {
            clean = clean && !ended && byte >= ' ' && byte <= '~';
            length++;
        }
        text[i] = (char)byte;
    }
    text[MESO_TEXT_BYTES] = '\0';
    if (!clean || length == 0) {
        refuse(from, MESO_ERR_BAD_TEXT);
    }
}

static void check_serial(struct reader *from, const char *serial) {
    for (; *serial != '\0'; serial++) {
        char c = *serial;
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')) {
            refuse(from, MESO_ERR_IMPOSSIBLE);
        }
    }
}

/* Checks a field that is there, and makes one that is not there zero. */
static uint64_t optional(struct reader *from, bool present, uint64_t value, uint64_t min,
                         uint64_t max) {
    if (!present) {
        return 0;
    }
    if (value < min || value > max) {
        refuse(from, MESO_ERR_IMPOSSIBLE);
    }
    return value;
}

static int32_t optional_signed(struct reader *from, bool present, int32_t value, int32_t min,
                               int32_t max) {
    if (!present) {
        return 0;
    }
    if (value < min || value > max) {
        refuse(from, MESO_ERR_IMPOSSIBLE);
    }
    return value;
}

static void get_inventory(struct reader *from, struct meso_inventory *inventory) {
    inventory->epoch = get_u64(from);
    inventory->oldest = get_u32(from);
    inventory->newest = get_u32(from);
    inventory->acknowledged = get_u32(from);
    inventory->lost = get_u32(from);
}

static void get_limits(struct reader *from, struct meso_limits *limits) {
    limits->depth_max_um = get_u32(from);
    limits->volume_max_nl = get_u32(from);
    limits->frequency_max_spm = get_u16(from);
    if (limits->depth_max_um > MESO_DEPTH_UM_MAX ||
        limits->frequency_max_spm > MESO_FREQUENCY_SPM_MAX) {
        refuse(from, MESO_ERR_IMPOSSIBLE);
    }
}

static uint8_t get_lease_loss(struct reader *from) {
    uint8_t raw = get_u8(from);
    if (raw > MESO_LEASE_LOSS_INHIBIT) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
    return raw;
}

static void get_hello(struct reader *from, struct meso_hello *hello) {
    hello->protocol_min = get_u8(from);
    hello->protocol_max = get_u8(from);
    hello->schema = get_u32(from);
    hello->session = get_u32(from);
    get_text(from, hello->serial);
    check_serial(from, hello->serial);
    get_text(from, hello->model);
    get_text(from, hello->firmware);
    get_bytes(from, hello->firmware_hash, sizeof hello->firmware_hash);
    hello->boot_id = get_u32(from);
    hello->boot_count = get_u32(from);
    get_inventory(from, &hello->inventory);
    hello->capabilities = get_u32(from);
    get_limits(from, &hello->limits);
    hello->lease_ms = get_u16(from);
    hello->lease_loss = get_lease_loss(from);
    hello->inhibited = get_bool(from);
    hello->inhibit_number = get_u32(from);
    hello->tick_us = get_tick(from);
    get_bytes(from, hello->nonce, sizeof hello->nonce);
}

/* Zeroes what is absent and refuses what is impossible. */
static void check_shot(struct reader *from, struct meso_shot *shot) {
    struct meso_measured *m = &shot->measured;
    uint16_t has = m->present;
    if ((has & ~MESO_SHOT_HAS_ALL) != 0 || (m->flags & ~MESO_FLAG_ALL) != 0) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
    if (shot->epoch == 0 || shot->counter == 0 || shot->counter > MESO_COUNTER_MAX) {
        refuse(from, MESO_ERR_NO_IDENTITY);
    }
    if (shot->tick_us > MESO_TICK_US_MAX) {
        refuse(from, MESO_ERR_IMPOSSIBLE);
    }
    shot->interval_us = optional(from, has & MESO_SHOT_HAS_INTERVAL, shot->interval_us, 0,
                                 MESO_TICK_US_MAX);
    m->depth_set_um = (uint32_t)optional(from, has & MESO_SHOT_HAS_DEPTH_SET, m->depth_set_um, 0,
                                         MESO_DEPTH_UM_MAX);
    m->depth_sensed_um = (uint32_t)optional(from, has & MESO_SHOT_HAS_DEPTH_SENSED,
                                            m->depth_sensed_um, 0, MESO_DEPTH_UM_MAX);
    m->volume_set_nl = (uint32_t)optional(from, has & MESO_SHOT_HAS_VOLUME_SET, m->volume_set_nl,
                                          0, MESO_VOLUME_NL_MAX);
    m->volume_sensed_nl = (uint32_t)optional(from, has & MESO_SHOT_HAS_VOLUME_SENSED,
                                             m->volume_sensed_nl, 0, MESO_VOLUME_NL_MAX);
    m->frequency_set_spm =
        (uint16_t)optional(from, has & MESO_SHOT_HAS_FREQUENCY_SET, m->frequency_set_spm,
                           MESO_FREQUENCY_SPM_MIN, MESO_FREQUENCY_SPM_MAX);
    m->needles = (uint8_t)optional(from, has & MESO_SHOT_HAS_NEEDLES, m->needles,
                                   MESO_NEEDLES_MIN, MESO_NEEDLES_MAX);
    m->pressure_pa = optional_signed(from, has & MESO_SHOT_HAS_PRESSURE, m->pressure_pa,
                                     MESO_PRESSURE_PA_MIN, MESO_PRESSURE_PA_MAX);
    if (m->purpose > MESO_PURPOSE_CALIBRATION) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
}

static void get_shot(struct reader *from, struct meso_shot *shot) {
    struct meso_measured *measured = &shot->measured;
    shot->epoch = get_u64(from);
    shot->counter = get_u32(from);
    shot->boot_id = get_u32(from);
    shot->tick_us = get_u64(from);
    shot->interval_us = get_u64(from);
    measured->depth_set_um = get_u32(from);
    measured->depth_sensed_um = get_u32(from);
    measured->volume_set_nl = get_u32(from);
    measured->volume_sensed_nl = get_u32(from);
    measured->frequency_set_spm = get_u16(from);
    measured->needles = get_u8(from);
    measured->purpose = get_u8(from);
    measured->pressure_pa = get_i32(from);
    measured->flags = get_u16(from);
    measured->present = get_u16(from);
    check_shot(from, shot);
}

static void get_status(struct reader *from, struct meso_status *status) {
    struct meso_housekeeping *state = &status->housekeeping;
    status->tick_us = get_tick(from);
    get_inventory(from, &status->inventory);
    uint32_t battery_mv = get_u32(from);
    int32_t temperature_mc = get_i32(from);
    int32_t vacuum_pa = get_i32(from);
    uint32_t shots_on_needle = get_u32(from);
    uint32_t lifetime_shots = get_u32(from);
    state->faults = get_u32(from);
    status->inhibited = get_bool(from);
    /* Bits that version 1 does not name say nothing, so they are not kept. */
    uint8_t has = get_u8(from) & MESO_STATUS_HAS_ALL;
    state->present = has;
    state->battery_mv = (uint32_t)optional(from, has & MESO_STATUS_HAS_BATTERY, battery_mv, 0,
                                           MESO_BATTERY_MV_MAX);
    state->temperature_mc =
        optional_signed(from, has & MESO_STATUS_HAS_TEMPERATURE, temperature_mc,
                        MESO_TEMPERATURE_MC_MIN, MESO_TEMPERATURE_MC_MAX);
    state->vacuum_pa = optional_signed(from, has & MESO_STATUS_HAS_VACUUM, vacuum_pa,
                                       MESO_PRESSURE_PA_MIN, MESO_PRESSURE_PA_MAX);
    state->shots_on_needle = has & MESO_STATUS_HAS_SHOTS_ON_NEEDLE ? shots_on_needle : 0;
    state->lifetime_shots = has & MESO_STATUS_HAS_LIFETIME_SHOTS ? lifetime_shots : 0;
    status->inhibit_number = get_u32(from);
    status->refused = get_u32(from);
}

static void get_range(struct reader *from, struct meso_range *range) {
    range->session = get_u32(from);
    range->request = get_u16(from);
    range->epoch = get_u64(from);
    range->requested = never_zero(from, get_u32(from));
    range->from = never_zero(from, get_u32(from));
    range->newest = get_u32(from);
}

static void get_time_answer(struct reader *from, struct meso_time_answer *answer) {
    answer->request = get_u32(from);
    answer->host_sent_ns = get_i64(from);
    answer->gun_received_us = get_tick(from);
    answer->gun_sent_us = get_tick(from);
}

static void get_result(struct reader *from, struct meso_result *result) {
    result->session = get_u32(from);
    result->command = get_u16(from);
    result->result = get_u8(from);
    result->inhibited = get_bool(from);
    result->inhibit_number = get_u32(from);
    result->epoch = get_u64(from);
    get_limits(from, &result->limits);
}

/* Zeroes what is absent and refuses what is impossible. */
static void check_set_points(struct reader *from, struct meso_set_points *set) {
    uint8_t has = set->present;
    if ((has & ~MESO_SETTINGS_HAS_ALL) != 0 || set->purpose > MESO_PURPOSE_CALIBRATION) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
    set->depth_um = (uint32_t)optional(from, has & MESO_SETTINGS_HAS_DEPTH, set->depth_um, 0,
                                       MESO_DEPTH_UM_MAX);
    set->volume_nl = (uint32_t)optional(from, has & MESO_SETTINGS_HAS_VOLUME, set->volume_nl, 0,
                                        MESO_VOLUME_NL_MAX);
    set->frequency_spm =
        (uint16_t)optional(from, has & MESO_SETTINGS_HAS_FREQUENCY, set->frequency_spm,
                           MESO_FREQUENCY_SPM_MIN, MESO_FREQUENCY_SPM_MAX);
    set->needles = (uint8_t)optional(from, has & MESO_SETTINGS_HAS_NEEDLES, set->needles,
                                     MESO_NEEDLES_MIN, MESO_NEEDLES_MAX);
}

static void get_settings(struct reader *from, struct meso_settings *settings) {
    settings->session = get_u32(from);
    settings->command = get_u16(from);
    settings->set.depth_um = get_u32(from);
    settings->set.volume_nl = get_u32(from);
    settings->set.frequency_spm = get_u16(from);
    settings->set.needles = get_u8(from);
    settings->set.purpose = get_u8(from);
    get_limits(from, &settings->limits);
    settings->lease_ms = get_u16(from);
    settings->lease_loss = get_lease_loss(from);
    settings->set.present = get_u8(from);
    check_set_points(from, &settings->set);
}

static void get_host_hello(struct reader *from, struct meso_host_hello *hello) {
    hello->protocol_min = get_u8(from);
    hello->protocol_max = get_u8(from);
    hello->schema = get_u32(from);
    hello->session = never_zero(from, get_u32(from));
    get_bytes(from, hello->nonce, sizeof hello->nonce);
}

static void get_watermark(struct reader *from, struct meso_watermark *mark) {
    mark->session = never_zero(from, get_u32(from));
    mark->epoch = get_u64(from);
    mark->counter = get_u32(from);
}

static void get_send_from(struct reader *from, struct meso_send_from *request) {
    request->session = never_zero(from, get_u32(from));
    request->request = (uint16_t)never_zero(from, get_u16(from));
    request->epoch = get_u64(from);
    request->counter = never_zero(from, get_u32(from));
}

static void get_time_request(struct reader *from, struct meso_time_request *request) {
    request->request = get_u32(from);
    request->host_sent_ns = get_i64(from);
}

static void get_assign_epoch(struct reader *from, struct meso_assign_epoch *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
    command->replaces = get_u64(from);
    command->epoch = get_u64(from);
    if (command->epoch == 0) {
        refuse(from, MESO_ERR_NO_IDENTITY);
    }
}

static void get_inhibit(struct reader *from, struct meso_inhibit *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
    command->reason = get_u8(from);
}

static void get_resume(struct reader *from, struct meso_resume *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
    command->inhibit_number = get_u32(from);
}

static void get_set_limits(struct reader *from, struct meso_set_limits *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
    get_limits(from, &command->limits);
}

static void get_read_settings(struct reader *from, struct meso_read_settings *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
}

static void get_identify(struct reader *from, struct meso_identify *command) {
    command->session = never_zero(from, get_u32(from));
    command->command = get_u16(from);
    command->seconds = get_u8(from);
    if (command->seconds > MESO_IDENTIFY_SECONDS_MAX) {
        refuse(from, MESO_ERR_UNKNOWN_CODE);
    }
}

/* The bytes of a kind's layout, or 0 for a kind that is not known. */
static size_t layout_bytes(uint8_t kind) {
    switch (kind) {
    case MESO_KIND_HELLO: return MESO_HELLO_BYTES;
    case MESO_KIND_SHOT: return MESO_SHOT_BYTES;
    case MESO_KIND_STATUS: return MESO_STATUS_BYTES;
    case MESO_KIND_RANGE: return MESO_RANGE_BYTES;
    case MESO_KIND_TIME_ANSWER: return MESO_TIME_ANSWER_BYTES;
    case MESO_KIND_RESULT: return MESO_RESULT_BYTES;
    case MESO_KIND_SETTINGS: return MESO_SETTINGS_BYTES;
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
    default: return 0;
    }
}

static int get_message(struct reader *from, struct meso_message *message) {
    switch (message->kind) {
    case MESO_KIND_HELLO: get_hello(from, &message->as.hello); break;
    case MESO_KIND_SHOT: get_shot(from, &message->as.shot); break;
    case MESO_KIND_STATUS: get_status(from, &message->as.status); break;
    case MESO_KIND_RANGE: get_range(from, &message->as.range); break;
    case MESO_KIND_TIME_ANSWER: get_time_answer(from, &message->as.time_answer); break;
    case MESO_KIND_RESULT: get_result(from, &message->as.result); break;
    case MESO_KIND_SETTINGS: get_settings(from, &message->as.settings); break;
    case MESO_KIND_HOST_HELLO: get_host_hello(from, &message->as.host_hello); break;
    case MESO_KIND_SEND_FROM: get_send_from(from, &message->as.send_from); break;
    case MESO_KIND_TIME_REQUEST: get_time_request(from, &message->as.time_request); break;
    case MESO_KIND_ASSIGN_EPOCH: get_assign_epoch(from, &message->as.assign_epoch); break;
    case MESO_KIND_INHIBIT: get_inhibit(from, &message->as.inhibit); break;
    case MESO_KIND_RESUME: get_resume(from, &message->as.resume); break;
    case MESO_KIND_SET_LIMITS: get_set_limits(from, &message->as.set_limits); break;
    case MESO_KIND_READ_SETTINGS: get_read_settings(from, &message->as.read_settings); break;
    case MESO_KIND_IDENTIFY: get_identify(from, &message->as.identify); break;
    default: get_watermark(from, &message->as.watermark); break;
    }
    return from->error;
}

int meso_message_decode(const struct meso_frame *frame, struct meso_message *message) {
    if (frame->flags != 0) {
        return MESO_ERR_UNKNOWN_FLAGS;
    }
    /* The greeting keeps its envelope for ever; all else must be of a version spoken here. */
    bool greets = frame->kind == MESO_KIND_HELLO || frame->kind == MESO_KIND_HOST_HELLO;
    if (!greets &&
        (frame->version < MESO_PROTOCOL_MIN || frame->version > MESO_PROTOCOL_MAX)) {
        return MESO_ERR_UNKNOWN_VERSION;
    }
    size_t length = layout_bytes(frame->kind);
    if (length == 0) {
        return MESO_ERR_UNKNOWN_KIND;
    }
    if (frame->length != length) {
        return frame->length < length ? MESO_ERR_TOO_SHORT : MESO_ERR_TOO_LONG;
    }
    struct reader from = {frame->payload, MESO_OK};
    memset(message, 0, sizeof *message);
    message->kind = frame->kind;
    return get_message(&from, message);
}
