#include "rig.h"

#include <string.h>

#include "board.h"

#define LINE_BYTES_MAX 128

/* A failed injection is one in so many, as with the emulated gun of the workspace. */
#define FAILED_ONE_IN 100

/*
 * The shot that is being fired. It outlives a reset, so that one that fell between the ring and
 * the rig's port is told after it, and the rig knows of every shot that the ring holds.
 */
struct intent {
    uint64_t epoch;
    uint64_t tick_us;
    uint64_t interval_us;
    struct meso_measured measured;
    uint32_t counter;
    uint32_t boot_id;
    uint32_t check;
};

static struct intent intent __attribute__((section(".retained")));

static struct page page;
static struct meso_set_points set_points;
static uint32_t boot_id;
static uint64_t told_epoch, fired_at_us, due_us;
static bool told_inhibited, has_fired, holds;
static uint32_t shots_on_needle;
static char line[LINE_BYTES_MAX];
static size_t line_bytes;

/// Talking ///

/* Closes a line: one without it was cut off by a reset. */
static const char END_OF_LINE[] = " .\n";

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        board_rig_write((uint8_t)*text);
    }
}

static void say_number(bool is_there, bool is_negative, uint64_t value) {
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    if (!is_there) {
        digits[--at] = '-';
    } else {
        do {
            digits[--at] = (char)('0' + value % 10);
            value /= 10;
        } while (value != 0);
        if (is_negative) {
            digits[--at] = '-';
        }
    }
    digits[--at] = ' ';
    say(digits + at);
}

static void say_unsigned(uint64_t value) {
    say_number(true, false, value);
}

static void say_signed(bool is_there, int32_t value) {
    say_number(is_there, value < 0, value < 0 ? (uint64_t)-(int64_t)value : (uint64_t)value);
}

static void say_refused(int error) {
    say("refused");
    say_signed(true, error);
    say(END_OF_LINE);
}

static void say_shot(const struct intent *shot) {
    const struct meso_measured *measured = &shot->measured;
    uint16_t present = measured->present;
    say("shot");
    say_unsigned(shot->epoch);
    say_unsigned(shot->counter);
    say_unsigned(shot->boot_id);
    say_unsigned(shot->tick_us);
    say_number((present & MESO_SHOT_HAS_INTERVAL) != 0, false, shot->interval_us);
    say_number((present & MESO_SHOT_HAS_DEPTH_SET) != 0, false, measured->depth_set_um);
    say_number((present & MESO_SHOT_HAS_DEPTH_SENSED) != 0, false, measured->depth_sensed_um);
    say_number((present & MESO_SHOT_HAS_VOLUME_SET) != 0, false, measured->volume_set_nl);
    say_number((present & MESO_SHOT_HAS_VOLUME_SENSED) != 0, false, measured->volume_sensed_nl);
    say_number((present & MESO_SHOT_HAS_FREQUENCY_SET) != 0, false, measured->frequency_set_spm);
    say_number((present & MESO_SHOT_HAS_NEEDLES) != 0, false, measured->needles);
    say_unsigned(measured->purpose);
    say_signed((present & MESO_SHOT_HAS_PRESSURE) != 0, measured->pressure_pa);
    say_unsigned(measured->flags);
    say(END_OF_LINE);
}

/// Firing ///

static uint32_t intent_check(void) {
    return meso_crc32((const uint8_t *)&intent, offsetof(struct intent, check));
}

/* Fires a shot that was allowed, and tells the rig before the link can. */
static void fire(struct meso_gun *gun, const struct meso_measured *measured) {
    uint64_t now = board_now_us();
    struct meso_inventory held = meso_gun_inventory(gun);
    memset(&intent, 0, sizeof intent);
    intent.epoch = held.epoch;
    intent.tick_us = now;
    intent.measured = *measured;
    intent.counter = held.newest + 1;
    intent.boot_id = boot_id;
    intent.measured.present &= MESO_SHOT_HAS_ALL & ~MESO_SHOT_HAS_INTERVAL;
    if (has_fired) {
        intent.interval_us = now - fired_at_us;
        intent.measured.present |= MESO_SHOT_HAS_INTERVAL;
    }
    intent.check = intent_check();
    if (meso_gun_fire(gun, measured, now, NULL) == MESO_OK) {
        has_fired = true;
        fired_at_us = now;
        shots_on_needle++;
        say_shot(&intent);
    }
    intent.check = ~intent.check;
}

/* Tells of a shot that a reset cut off from its telling. */
static void say_cut_off_shot(struct meso_gun *gun) {
    struct meso_inventory held = meso_gun_inventory(gun);
    bool is_pending = intent.check == intent_check();
    if (is_pending && held.epoch == intent.epoch && held.newest == intent.counter) {
        say_shot(&intent);
    }
    intent.check = ~intent_check();
}

/// Simulated sensors ///

/* A number that looks random, the same for the same seed, shot and sensor. */
static uint32_t scatter(uint32_t counter, uint32_t sensor) {
    uint32_t x = page.seed * 0x9E3779B9U + counter * 0x85EBCA6BU + sensor * 0xC2B2AE35U;
    x = (x ^ x >> 16) * 0x7FEB352DU;
    x = (x ^ x >> 15) * 0x846CA68BU;
    return x ^ x >> 16;
}

/* A value around `set`, at most `per_mille` thousandths away. */
static uint32_t around(uint32_t set, uint32_t per_mille, uint32_t random) {
    uint32_t reach = set / 1000 * per_mille;
    return set - reach + random % (2 * reach + 1);
}

static void sense(struct meso_measured *measured, uint32_t counter) {
    memset(measured, 0, sizeof *measured);
    measured->depth_set_um = set_points.depth_um;
    measured->depth_sensed_um = around(set_points.depth_um, 60, scatter(counter, 1));
    measured->volume_set_nl = set_points.volume_nl;
    measured->volume_sensed_nl = around(set_points.volume_nl, 55, scatter(counter, 2));
    measured->frequency_set_spm = set_points.frequency_spm;
    measured->needles = 1;
    measured->purpose = MESO_PURPOSE_PATIENT;
    measured->present = MESO_SHOT_HAS_ALL & ~MESO_SHOT_HAS_PRESSURE;
    if ((page.options & PAGE_SENSES_PRESSURE) != 0) {
        measured->pressure_pa = -45000 + (int32_t)(scatter(counter, 3) % 10001);
        measured->present |= MESO_SHOT_HAS_PRESSURE;
    }
    if (page.breach_one_in != 0 && scatter(counter, 4) % page.breach_one_in == 0) {
        measured->depth_sensed_um = 10200 + scatter(counter, 5) % 1300;
    } else if (scatter(counter, 6) % FAILED_ONE_IN == 0) {
        measured->volume_sensed_nl = 0;
        measured->flags = MESO_FLAG_FAILED_INJECTION;
    }
}

/// Trigger ///

static bool may_begin(struct meso_gun *gun) {
    return (page.options & PAGE_FIRES_WITHOUT_EPOCH) != 0 || meso_gun_inventory(gun).epoch != 0;
}

static void pull(struct meso_gun *gun) {
    int allowed = meso_gun_trigger(gun, &set_points);
    if (allowed != MESO_OK) {
        say_refused(allowed);
        return;
    }
    struct meso_measured measured;
    sense(&measured, meso_gun_inventory(gun).newest + 1);
    fire(gun, &measured);
}

static void run_plan(struct meso_gun *gun) {
    uint64_t now = board_now_us();
    if (page.period_us == 0 || holds || !may_begin(gun)) {
        due_us = now + page.period_us;
        return;
    }
    if (now >= due_us) {
        /* What was missed is not made up for: nobody pulls a trigger twice at once. */
        due_us = now - due_us < page.period_us ? due_us + page.period_us : now + page.period_us;
        pull(gun);
    }
}

/// Obeying ///

/* Takes a number or `-` from the line; false where neither is there. */
static bool next_field(const char **at, bool *is_there, int64_t *value) {
    while (**at == ' ') {
        (*at)++;
    }
    bool negative = **at == '-';
    *at += negative ? 1 : 0;
    const char *digits = *at;
    int64_t sum = 0;
    for (; **at >= '0' && **at <= '9' && *at - digits < 10; (*at)++) {
        sum = sum * 10 + (**at - '0');
    }
    *is_there = *at != digits;
    *value = negative ? -sum : sum;
    return *is_there || negative;
}

static bool read_measured(const char *at, struct meso_measured *measured) {
    static const uint16_t BITS[9] = {
        MESO_SHOT_HAS_DEPTH_SET,     MESO_SHOT_HAS_DEPTH_SENSED,  MESO_SHOT_HAS_VOLUME_SET,
        MESO_SHOT_HAS_VOLUME_SENSED, MESO_SHOT_HAS_FREQUENCY_SET, MESO_SHOT_HAS_NEEDLES,
        0 /* purpose */,             MESO_SHOT_HAS_PRESSURE,      0 /* flags */,
    };
    int64_t values[9];
    memset(measured, 0, sizeof *measured);
    for (size_t i = 0; i < 9; i++) {
        bool is_there = false;
        if (!next_field(&at, &is_there, &values[i])) {
            return false;
        }
        measured->present |= is_there ? BITS[i] : 0;
    }
    measured->depth_set_um = (uint32_t)values[0];
    measured->depth_sensed_um = (uint32_t)values[1];
    measured->volume_set_nl = (uint32_t)values[2];
    measured->volume_sensed_nl = (uint32_t)values[3];
    measured->frequency_set_spm = (uint16_t)values[4];
    measured->needles = (uint8_t)values[5];
    measured->purpose = (uint8_t)values[6];
    measured->pressure_pa = (int32_t)values[7];
    measured->flags = (uint16_t)values[8];
    return true;
}

static uint8_t present_set_points(uint16_t present) {
    unsigned bits = 0;
    bits |= (present & MESO_SHOT_HAS_DEPTH_SET) != 0 ? MESO_SETTINGS_HAS_DEPTH : 0;
    bits |= (present & MESO_SHOT_HAS_VOLUME_SET) != 0 ? MESO_SETTINGS_HAS_VOLUME : 0;
    bits |= (present & MESO_SHOT_HAS_FREQUENCY_SET) != 0 ? MESO_SETTINGS_HAS_FREQUENCY : 0;
    bits |= (present & MESO_SHOT_HAS_NEEDLES) != 0 ? MESO_SETTINGS_HAS_NEEDLES : 0;
    return (uint8_t)bits;
}

/* The rig turned the knobs, pulled the trigger, and says what the sensors feel. */
static void fire_for_rig(struct meso_gun *gun, const char *fields) {
    struct meso_measured measured;
    if (!read_measured(fields, &measured)) {
        say("unknown");
        say(END_OF_LINE);
        return;
    }
    set_points.depth_um = measured.depth_set_um;
    set_points.volume_nl = measured.volume_set_nl;
    set_points.frequency_spm = measured.frequency_set_spm;
    set_points.needles = measured.needles;
    set_points.purpose = measured.purpose;
    set_points.present = present_set_points(measured.present);
    int allowed = may_begin(gun) ? meso_gun_trigger(gun, &set_points) : MESO_ERR_NO_IDENTITY;
    if (allowed == MESO_OK) {
        fire(gun, &measured);
    } else {
        say_refused(allowed);
    }
}

static void obey(struct meso_gun *gun) {
    if (strncmp(line, "go", sizeof line) == 0) {
        holds = false;
    } else if (strncmp(line, "hold", sizeof line) == 0) {
        holds = true;
    } else if (strncmp(line, "needle", sizeof line) == 0) {
        shots_on_needle = 0;
    } else if (strncmp(line, "fire ", 5) == 0) {
        fire_for_rig(gun, line + 5);
    } else if (strncmp(line, "echo ", 5) == 0) {
        say(line);
        say(END_OF_LINE);
    } else {
        say("unknown");
        say(END_OF_LINE);
    }
}

static void read_rig(struct meso_gun *gun) {
    uint8_t byte;
    while (board_rig_read(&byte)) {
        if (byte == '\n') {
            line[line_bytes] = '\0';
            line_bytes = 0;
            obey(gun);
        } else if (line_bytes < sizeof line - 1) {
            line[line_bytes++] = (char)byte;
        }
    }
}

/// For main ///

static void say_state(struct meso_gun *gun, bool always) {
    uint64_t epoch = meso_gun_inventory(gun).epoch;
    bool inhibited = !meso_gun_may_fire(gun);
    if (always || epoch != told_epoch) {
        told_epoch = epoch;
        say("epoch");
        say_unsigned(epoch);
        say(END_OF_LINE);
    }
    if (always || inhibited != told_inhibited) {
        told_inhibited = inhibited;
        say("inhibited");
        say_unsigned(inhibited);
        say(END_OF_LINE);
    }
}

void rig_start(struct meso_gun *gun, const struct page *of_gun, const struct meso_config *config,
               bool continues) {
    page = *of_gun;
    boot_id = config->boot_id;
    set_points.depth_um = page.depth_set_um;
    set_points.volume_nl = page.volume_set_nl;
    set_points.frequency_spm = (uint16_t)page.frequency_set_spm;
    set_points.needles = 1;
    set_points.purpose = MESO_PURPOSE_PATIENT;
    set_points.present = MESO_SETTINGS_HAS_ALL;
    /* What a reset left half said ends here. */
    say("\nboot");
    say_unsigned(config->boot_id);
    say_unsigned(config->boot_count);
    say_unsigned(continues);
    say(END_OF_LINE);
    say_cut_off_shot(gun);
    say_state(gun, true);
}

void rig_run(struct meso_gun *gun) {
    read_rig(gun);
    run_plan(gun);
    say_state(gun, false);
}

void rig_settings(void *context, struct meso_set_points *set) {
    (void)context;
    *set = set_points;
}

uint32_t rig_shots_on_needle(void) {
    return shots_on_needle;
}
