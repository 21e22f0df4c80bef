/* Frames of the meso link: COBS( kind, version|flags, sequence, payload, crc32 ) 0x00. */
#include <string.h>

#include "meso_link.h"

/* Kind, version and flags, sequence, checksum. */
#define OVERHEAD_BYTES (MESO_HEADER_BYTES + MESO_CRC_BYTES)

static uint32_t crc32_step(uint32_t crc, uint8_t byte) {
    /* Half a byte at a time: 64 bytes of table are worth more to a gun than the speed of 1 KB. */
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    crc = (crc >> 4) ^ table[(crc ^ byte) & 0x0F];
    return (crc >> 4) ^ table[(crc ^ (byte >> 4)) & 0x0F];
}

uint32_t meso_crc32(const uint8_t *bytes, size_t length) {
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < length; i++) {
        crc = crc32_step(crc, bytes[i]);
    }
    return ~crc;
}

/* Where COBS goes out; `code_at` is the place of the code byte that is still open. */
struct encoder {
    uint8_t *out;
    size_t code_at;
    size_t length;
};

static void encoder_push(struct encoder *to, uint8_t byte) {
    /* A full block is closed only when more follows it, so that none ends in an empty one. */
    if (to->length - to->code_at == 255) {
        to->out[to->code_at] = 255;
        to->code_at = to->length++;
    }
    if (byte == 0) {
        to->out[to->code_at] = (uint8_t)(to->length - to->code_at);
        to->code_at = to->length++;
    } else {
        to->out[to->length++] = byte;
    }
}

int meso_frame_encode(uint8_t kind, uint16_t sequence, const uint8_t *payload, size_t length,
                      uint8_t *out, size_t size) {
    if (length > MESO_PAYLOAD_BYTES_MAX) {
        return MESO_ERR_TOO_LONG;
    }
    /* COBS adds a byte, and another one for each full block; the delimiter is one more. */
    size_t plain = OVERHEAD_BYTES + length;
    if (size < plain + 1 + plain / 254 + 1) {
        return MESO_ERR_NO_ROOM;
    }
    const uint8_t header[MESO_HEADER_BYTES] = {
        kind, MESO_PROTOCOL_MAX, (uint8_t)sequence, (uint8_t)(sequence >> 8)};
    struct encoder to = {out, 0, 1};
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < MESO_HEADER_BYTES; i++) {
        crc = crc32_step(crc, header[i]);
        encoder_push(&to, header[i]);
    }
    for (size_t i = 0; i < length; i++) {
        crc = crc32_step(crc, payload[i]);
        encoder_push(&to, payload[i]);
    }
    crc = ~crc;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        encoder_push(&to, (uint8_t)(crc >> shift));
    }
    out[to.code_at] = (uint8_t)(to.length - to.code_at);
    out[to.length++] = MESO_DELIMITER;
    return (int)to.length;
}

/* Undoes COBS in place; the length of what is left, or MESO_ERR_BAD_COBS. */
static int cobs_decode(uint8_t *run, size_t length) {
    size_t from = 0;
    size_t to = 0;
    while (from < length) {
        uint8_t code = run[from];
        if (code == 0 || from + code > length) {
            return MESO_ERR_BAD_COBS;
        }
        for (size_t end = from + code; ++from < end;) {
            run[to++] = run[from];
        }
        if (code != 255 && from < length) {
            run[to++] = 0;
        }
    }
    return (int)to;
}

/* Undoes COBS and checks the checksum of one whole run. */
static int unwrap(uint8_t *run, size_t length, struct meso_frame *frame) {
    int decoded = cobs_decode(run, length);
    if (decoded < 0) {
        return decoded;
    }
    if (decoded < OVERHEAD_BYTES || decoded > MESO_FRAME_BYTES_MAX) {
        return MESO_ERR_BAD_CRC;
    }
    size_t body = (size_t)decoded - MESO_CRC_BYTES;
    uint32_t crc = meso_crc32(run, body);
    for (unsigned i = 0; i < MESO_CRC_BYTES; i++) {
        if (run[body + i] != (uint8_t)(crc >> (8 * i))) {
            return MESO_ERR_BAD_CRC;
        }
    }
    frame->kind = run[0];
    frame->version = run[1] & 0x0F;
    frame->flags = run[1] >> 4;
    frame->sequence = (uint16_t)(run[2] | (unsigned)run[3] << 8);
    frame->payload = run + MESO_HEADER_BYTES;
    frame->length = body - MESO_HEADER_BYTES;
    return 1;
}

static void count(uint32_t *counter, uint32_t more) {
    *counter = UINT32_MAX - *counter < more ? UINT32_MAX : *counter + more;
}

int meso_decoder_push(struct meso_decoder *decoder, uint8_t byte, struct meso_frame *frame) {
    if (byte != MESO_DELIMITER) {
        if (decoder->in_step && decoder->run_bytes < sizeof decoder->run) {
            decoder->run[decoder->run_bytes] = byte;
        }
        count(&decoder->run_bytes, 1);
        return 0;
    }
    uint32_t run_bytes = decoder->run_bytes;
    bool was_in_step = decoder->in_step;
    struct meso_line_counters *counters = &decoder->counters;
    decoder->run_bytes = 0;
    decoder->in_step = true;
    if (run_bytes == 0) {
        return 0;
    }
    if (!was_in_step) {
        count(&counters->skipped_bytes, run_bytes);
        return 0;
    }
    int found = run_bytes > sizeof decoder->run ? MESO_ERR_OVERSIZE
                                                : unwrap(decoder->run, run_bytes, frame);
    if (found == 1) {
        count(&counters->frames, 1);
        return 1;
    }
    count(found == MESO_ERR_OVERSIZE   ? &counters->oversize
          : found == MESO_ERR_BAD_COBS ? &counters->bad_cobs
                                       : &counters->bad_crc,
          1);
    count(&counters->skipped_bytes, run_bytes);
    return found;
}
