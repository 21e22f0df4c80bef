#include "describe.h"

#include <inttypes.h>
#include <string.h>

const char *error_name(int error) {
    switch (error) {
    case MESO_OK: return "ok";
    case MESO_ERR_BAD_COBS: return "bad_cobs";
    case MESO_ERR_BAD_CRC: return "bad_crc";
    case MESO_ERR_OVERSIZE: return "oversize";
    case MESO_ERR_UNKNOWN_FLAGS: return "unknown_flags";
    case MESO_ERR_UNKNOWN_VERSION: return "unknown_version";
    case MESO_ERR_UNKNOWN_KIND: return "unknown_kind";
    case MESO_ERR_TOO_SHORT: return "too_short";
    case MESO_ERR_TOO_LONG: return "too_long";
    case MESO_ERR_IMPOSSIBLE: return "impossible";
    case MESO_ERR_UNKNOWN_CODE: return "unknown_code";
    case MESO_ERR_BAD_TEXT: return "bad_text";
    case MESO_ERR_NO_IDENTITY: return "no_identity";
    case MESO_ERR_NO_ROOM: return "no_room";
    case MESO_ERR_INHIBITED: return "inhibited";
    case MESO_ERR_EXHAUSTED: return "exhausted";
    case MESO_ERR_CONFIG: return "config";
    case MESO_ERR_ABOVE_LIMIT: return "above_limit";
    default: return "unnamed";
    }
}

void print_hex(FILE *to, const uint8_t *bytes, size_t length) {
    if (length == 0) {
        fputc('-', to);
    }
    for (size_t i = 0; i < length; i++) {
        fprintf(to, "%02x", (unsigned)bytes[i]);
    }
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long parse_hex(const char *text, uint8_t *out, size_t size) {
    size_t length = 0;
    if (*text == '-') {
        return 0;
    }
    for (; digit(text[0]) >= 0; text += 2) {
        if (digit(text[1]) < 0 || length == size) {
            return -1;
        }
        out[length++] = (uint8_t)(digit(text[0]) * 16 + digit(text[1]));
    }
    return *text == '\0' || *text == ' ' || *text == '\n' ? (long)length : -1;
}

static void number(FILE *to, const char *name, uint64_t value) {
    fprintf(to, " %s=%" PRIu64, name, value);
}

static void hex(FILE *to, const char *name, const uint8_t *bytes, size_t length) {
    fprintf(to, " %s=", name);
    print_hex(to, bytes, length);
}

static void signed_number(FILE *to, const char *name, int64_t value) {
    fprintf(to, " %s=%" PRId64, name, value);
}

static void limits(FILE *to, const struct meso_limits *limits) {
    number(to, "depth_max_um", limits->depth_max_um);
    number(to, "volume_max_nl", limits->volume_max_nl);
    number(to, "frequency_max_spm", limits->frequency_max_spm);
}

static void inventory(FILE *to, const struct meso_inventory *inventory) {
    number(to, "epoch", inventory->epoch);
    number(to, "oldest", inventory->oldest);
    number(to, "newest", inventory->newest);
    number(to, "acknowledged", inventory->acknowledged);
    number(to, "lost", inventory->lost);
}

static void hello(FILE *to, const struct meso_hello *hello) {
    number(to, "protocol_min", hello->protocol_min);
    number(to, "protocol_max", hello->protocol_max);
    number(to, "schema", hello->schema);
    number(to, "session", hello->session);
    fprintf(to, " serial=%s model=%s firmware=%s firmware_hash=", hello->serial, hello->model,
            hello->firmware);
    print_hex(to, hello->firmware_hash, sizeof hello->firmware_hash);
    number(to, "boot_id", hello->boot_id);
    number(to, "boot_count", hello->boot_count);
    inventory(to, &hello->inventory);
    number(to, "capabilities", hello->capabilities);
    limits(to, &hello->limits);
    number(to, "lease_ms", hello->lease_ms);
    number(to, "lease_loss", hello->lease_loss);
    number(to, "inhibited", hello->inhibited);
    number(to, "inhibit_number", hello->inhibit_number);
    number(to, "tick_us", hello->tick_us);
    hex(to, "nonce", hello->nonce, sizeof hello->nonce);
}

static void shot(FILE *to, const struct meso_shot *shot) {
    const struct meso_measured *measured = &shot->measured;
    number(to, "epoch", shot->epoch);
    number(to, "counter", shot->counter);
    number(to, "boot_id", shot->boot_id);
    number(to, "tick_us", shot->tick_us);
    number(to, "interval_us", shot->interval_us);
    number(to, "depth_set_um", measured->depth_set_um);
    number(to, "depth_sensed_um", measured->depth_sensed_um);
    number(to, "volume_set_nl", measured->volume_set_nl);
    number(to, "volume_sensed_nl", measured->volume_sensed_nl);
    number(to, "frequency_set_spm", measured->frequency_set_spm);
    number(to, "needles", measured->needles);
    number(to, "purpose", measured->purpose);
    signed_number(to, "pressure_pa", measured->pressure_pa);
    number(to, "flags", measured->flags);
    number(to, "present", measured->present);
}

static void status(FILE *to, const struct meso_status *status) {
    const struct meso_housekeeping *state = &status->housekeeping;
    number(to, "tick_us", status->tick_us);
    inventory(to, &status->inventory);
    number(to, "battery_mv", state->battery_mv);
    signed_number(to, "temperature_mc", state->temperature_mc);
    signed_number(to, "vacuum_pa", state->vacuum_pa);
    number(to, "shots_on_needle", state->shots_on_needle);
    number(to, "lifetime_shots", state->lifetime_shots);
    number(to, "faults", state->faults);
    number(to, "inhibited", status->inhibited);
    number(to, "present", state->present);
    number(to, "inhibit_number", status->inhibit_number);
    number(to, "refused", status->refused);
}

static void range(FILE *to, const struct meso_range *range) {
    number(to, "session", range->session);
    number(to, "request", range->request);
    number(to, "epoch", range->epoch);
    number(to, "requested", range->requested);
    number(to, "from", range->from);
    number(to, "newest", range->newest);
}

static void time_answer(FILE *to, const struct meso_time_answer *answer) {
    number(to, "request", answer->request);
    signed_number(to, "host_sent_ns", answer->host_sent_ns);
    number(to, "gun_received_us", answer->gun_received_us);
    number(to, "gun_sent_us", answer->gun_sent_us);
}

static void result(FILE *to, const struct meso_result *result) {
    number(to, "session", result->session);
    number(to, "command", result->command);
    number(to, "result", result->result);
    number(to, "inhibited", result->inhibited);
    number(to, "inhibit_number", result->inhibit_number);
    number(to, "epoch", result->epoch);
    limits(to, &result->limits);
}

static void settings(FILE *to, const struct meso_settings *settings) {
    const struct meso_set_points *set = &settings->set;
    number(to, "session", settings->session);
    number(to, "command", settings->command);
    number(to, "depth_set_um", set->depth_um);
    number(to, "volume_set_nl", set->volume_nl);
    number(to, "frequency_set_spm", set->frequency_spm);
    number(to, "needles", set->needles);
    number(to, "purpose", set->purpose);
    limits(to, &settings->limits);
    number(to, "lease_ms", settings->lease_ms);
    number(to, "lease_loss", settings->lease_loss);
    number(to, "present", set->present);
}

static void host_hello(FILE *to, const struct meso_host_hello *hello) {
    number(to, "protocol_min", hello->protocol_min);
    number(to, "protocol_max", hello->protocol_max);
    number(to, "schema", hello->schema);
    number(to, "session", hello->session);
    hex(to, "nonce", hello->nonce, sizeof hello->nonce);
}

static void watermark(FILE *to, const struct meso_watermark *mark) {
    number(to, "session", mark->session);
    number(to, "epoch", mark->epoch);
    number(to, "counter", mark->counter);
}

static void command(FILE *to, uint32_t session, uint16_t command) {
    number(to, "session", session);
    number(to, "command", command);
}

static void from_gun(FILE *to, const struct meso_message *message) {
    switch (message->kind) {
    case MESO_KIND_HELLO:
        fputs("HELLO", to);
        hello(to, &message->as.hello);
        break;
    case MESO_KIND_SHOT:
        fputs("SHOT", to);
        shot(to, &message->as.shot);
        break;
    case MESO_KIND_STATUS:
        fputs("STATUS", to);
        status(to, &message->as.status);
        break;
    case MESO_KIND_RANGE:
        fputs("RANGE", to);
        range(to, &message->as.range);
        break;
    case MESO_KIND_TIME_ANSWER:
        fputs("TIME_ANSWER", to);
        time_answer(to, &message->as.time_answer);
        break;
    case MESO_KIND_SETTINGS:
        fputs("SETTINGS", to);
        settings(to, &message->as.settings);
        break;
    default:
        fputs("RESULT", to);
        result(to, &message->as.result);
        break;
    }
}

void describe(FILE *to, const struct meso_message *message) {
    switch (message->kind) {
    case MESO_KIND_HOST_HELLO:
        fputs("HOST_HELLO", to);
        host_hello(to, &message->as.host_hello);
        break;
    case MESO_KIND_ACKNOWLEDGE:
    case MESO_KIND_KEEP_ALIVE:
        fputs(message->kind == MESO_KIND_ACKNOWLEDGE ? "ACKNOWLEDGE" : "KEEP_ALIVE", to);
        watermark(to, &message->as.watermark);
        break;
    case MESO_KIND_SEND_FROM:
        fputs("SEND_FROM", to);
        number(to, "session", message->as.send_from.session);
        number(to, "request", message->as.send_from.request);
        number(to, "epoch", message->as.send_from.epoch);
        number(to, "counter", message->as.send_from.counter);
        break;
    case MESO_KIND_TIME_REQUEST:
        fputs("TIME_REQUEST", to);
        number(to, "request", message->as.time_request.request);
        signed_number(to, "host_sent_ns", message->as.time_request.host_sent_ns);
        break;
    case MESO_KIND_ASSIGN_EPOCH:
        fputs("ASSIGN_EPOCH", to);
        command(to, message->as.assign_epoch.session, message->as.assign_epoch.command);
        number(to, "replaces", message->as.assign_epoch.replaces);
        number(to, "epoch", message->as.assign_epoch.epoch);
        break;
    case MESO_KIND_INHIBIT:
        fputs("INHIBIT", to);
        command(to, message->as.inhibit.session, message->as.inhibit.command);
        number(to, "reason", message->as.inhibit.reason);
        break;
    case MESO_KIND_RESUME:
        fputs("RESUME", to);
        command(to, message->as.resume.session, message->as.resume.command);
        number(to, "inhibit_number", message->as.resume.inhibit_number);
        break;
    case MESO_KIND_SET_LIMITS:
        fputs("SET_LIMITS", to);
        command(to, message->as.set_limits.session, message->as.set_limits.command);
        limits(to, &message->as.set_limits.limits);
        break;
    case MESO_KIND_READ_SETTINGS:
        fputs("READ_SETTINGS", to);
        command(to, message->as.read_settings.session, message->as.read_settings.command);
        break;
    case MESO_KIND_IDENTIFY:
        fputs("IDENTIFY", to);
        command(to, message->as.identify.session, message->as.identify.command);
        number(to, "seconds", message->as.identify.seconds);
        break;
    default:
        from_gun(to, message);
        break;
    }
}
