/*
 * Fuzz target: the codec. The first byte of an input says what the others are: even, bytes of a
 * line as they come; odd, a frame before checksum and COBS, which are put on here, because
 * nothing that guesses would ever find them. FUZZING.md says how to run it.
 */
#include <string.h>

#include "../meso_link.h"
#include "fuzz.h"

/* What was understood is written again, and that is understood as the same. */
static void look_at_message(const struct meso_message *message) {
    uint8_t first[MESO_PAYLOAD_BYTES_MAX];
    uint8_t second[MESO_PAYLOAD_BYTES_MAX];
    struct meso_message again;
    int length = meso_payload_encode(message, first);
    MUST(length >= 0 && length <= MESO_PAYLOAD_BYTES_MAX);
    struct meso_frame frame = {
        .kind = message->kind,
        .version = MESO_PROTOCOL_MAX,
        .payload = first,
        .length = (size_t)length,
    };
    MUST(meso_message_decode(&frame, &again) == MESO_OK);
    MUST(meso_payload_encode(&again, second) == length);
    MUST(memcmp(first, second, (size_t)length) == 0);
}

static void look_at_frame(const struct meso_frame *frame) {
    static const uint8_t key[MESO_KEY_BYTES];
    struct meso_message message;
    struct meso_frame opened = *frame;
    uint8_t wire[MESO_ENCODED_BYTES_MAX + 1];
    MUST(frame->length <= MESO_PAYLOAD_BYTES_MAX);
    int written = meso_frame_encode(frame->kind, frame->sequence, frame->payload, frame->length,
                                    wire, sizeof wire);
    MUST(written > 0 && memchr(wire, MESO_DELIMITER, (size_t)written) == wire + written - 1);
    (void)meso_frame_open(&opened, key);
    if (meso_message_decode(&opened, &message) == MESO_OK) {
        look_at_message(&message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t wire[MESO_ENCODED_BYTES_MAX + 2];
    struct meso_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    if (size > 0 && (data[0] & 1) != 0) {
        size = wrap(data + 1, size - 1, wire);
        data = wire;
    } else if (size > 0) {
        data++;
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        struct meso_frame frame;
        if (meso_decoder_push(&decoder, data[i], &frame) == 1) {
            look_at_frame(&frame);
        }
    }
    const struct meso_line_counters *counters = &decoder.counters;
    MUST(counters->skipped_bytes <= size && counters->frames <= size);
    return 0;
}
