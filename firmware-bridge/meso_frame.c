/* Frames of the meso link: COBS( kind, version|flags, sequence, payload, crc32 ) 0x00. */
#include <string.h>

#include "meso_link.h"
#include "meso_sha256.h"

/* Kind, version and flags, sequence, checksum. */
#define OVERHEAD_BYTES (MESO_HEADER_BYTES + MESO_CRC_BYTES)
#define COUNTER_BYTES (MESO_SEAL_BYTES - MESO_TAG_BYTES)

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
    uint32_t crc;
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

static void encoder_add(struct encoder *to, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        to->crc = crc32_step(to->crc, bytes[i]);
        encoder_push(to, bytes[i]);
    }
}

/* Adds checksum and delimiter; the length of the whole. */
static int encoder_end(struct encoder *to) {
    uint32_t crc = ~to->crc;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        encoder_push(to, (uint8_t)(crc >> shift));
    }
    to->out[to->code_at] = (uint8_t)(to->length - to->code_at);
    to->out[to->length++] = MESO_DELIMITER;
    return (int)to->length;
}

/* COBS adds a byte, and another one for each full block; the delimiter is one more. */
static bool has_room(size_t body, size_t size) {
    size_t plain = OVERHEAD_BYTES + body;
    return size >= plain + 1 + plain / 254 + 1;
}

static void put_header(uint8_t *header, uint8_t kind, uint8_t flags, uint16_t sequence) {
    header[0] = kind;
    header[1] = (uint8_t)(MESO_PROTOCOL_MAX | flags << 4);
    header[2] = (uint8_t)sequence;
    header[3] = (uint8_t)(sequence >> 8);
}

int meso_frame_encode(uint8_t kind, uint16_t sequence, const uint8_t *payload, size_t length,
                      uint8_t *out, size_t size) {
    if (length > MESO_PAYLOAD_BYTES_MAX) {
        return MESO_ERR_TOO_LONG;
    }
    if (!has_room(length, size)) {
        return MESO_ERR_NO_ROOM;
    }
    uint8_t header[MESO_HEADER_BYTES];
    struct encoder to = {out, 0, 1, 0xFFFFFFFF};
    put_header(header, kind, 0, sequence);
    encoder_add(&to, header, sizeof header);
    encoder_add(&to, payload, length);
    return encoder_end(&to);
}

int meso_frame_seal(uint8_t kind, uint16_t sequence, const uint8_t *payload, size_t length,
                    const uint8_t *session_key, uint32_t counter, uint8_t *out, size_t size) {
    if (length > MESO_SEALED_PAYLOAD_BYTES_MAX) {
        return MESO_ERR_TOO_LONG;
    }
    if (!has_room(length + MESO_SEAL_BYTES, size)) {
        return MESO_ERR_NO_ROOM;
    }
    uint8_t plain[MESO_HEADER_BYTES + MESO_SEALED_PAYLOAD_BYTES_MAX + COUNTER_BYTES];
    uint8_t digest[MESO_SHA256_BYTES];
    size_t at = MESO_HEADER_BYTES + length;
    put_header(plain, kind, MESO_FRAME_AUTHENTIC, sequence);
    if (length > 0) {
        memcpy(plain + MESO_HEADER_BYTES, payload, length);
    }
    for (unsigned shift = 0; shift < 32; shift += 8) {
        plain[at++] = (uint8_t)(counter >> shift);
    }
    meso_hmac_sha256(session_key, MESO_KEY_BYTES, plain, at, digest);
    struct encoder to = {out, 0, 1, 0xFFFFFFFF};
    encoder_add(&to, plain, at);
    encoder_add(&to, digest, MESO_TAG_BYTES);
    return encoder_end(&to);
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

/* Names the parts of a frame of `body` bytes before its checksum. */
static void take_apart(const uint8_t *plain, size_t body, struct meso_frame *frame) {
    frame->kind = plain[0];
    frame->version = plain[1] & 0x0F;
    frame->flags = plain[1] >> 4;
    frame->sequence = (uint16_t)(plain[2] | (unsigned)plain[3] << 8);
    frame->payload = plain + MESO_HEADER_BYTES;
    frame->length = body - MESO_HEADER_BYTES;
    frame->counter = 0;
    frame->tag = NULL;
    if ((frame->flags & MESO_FRAME_AUTHENTIC) == 0 || frame->length < MESO_SEAL_BYTES) {
        return;
    }
    frame->length -= MESO_SEAL_BYTES;
    const uint8_t *at = frame->payload + frame->length;
    frame->counter = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    frame->tag = at + COUNTER_BYTES;
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
    take_apart(run, body, frame);
    return 1;
}

/// Keys and tags ///

void meso_session_key(const uint8_t *key, const uint8_t *host_nonce, const uint8_t *gun_nonce,
                      uint32_t session, const char *serial, uint8_t *session_key) {
    static const char name[] = "meso link 1";
    uint8_t salt[2 * MESO_NONCE_BYTES];
    uint8_t info[sizeof name - 1 + 4 + MESO_TEXT_BYTES] = {0};
    size_t at = sizeof name - 1;
    memcpy(salt, host_nonce, MESO_NONCE_BYTES);
    memcpy(salt + MESO_NONCE_BYTES, gun_nonce, MESO_NONCE_BYTES);
    memcpy(info, name, at);
    for (unsigned shift = 0; shift < 32; shift += 8) {
        info[at++] = (uint8_t)(session >> shift);
    }
    for (size_t i = 0; i < MESO_TEXT_BYTES && serial[i] != '\0'; i++) {
        info[at + i] = (uint8_t)serial[i];
    }
    meso_hkdf_sha256(salt, sizeof salt, key, MESO_KEY_BYTES, info, sizeof info, session_key);
}

bool meso_frame_open(struct meso_frame *frame, const uint8_t *session_key) {
    uint8_t digest[MESO_SHA256_BYTES];
    uint8_t difference = 0;
    if (frame->tag == NULL) {
        return false;
    }
    const uint8_t *plain = frame->payload - MESO_HEADER_BYTES;
    meso_hmac_sha256(session_key, MESO_KEY_BYTES, plain, (size_t)(frame->tag - plain), digest);
    /* All of it is compared, so that the time says nothing of where the difference lies. */
    for (unsigned i = 0; i < MESO_TAG_BYTES; i++) {
        difference |= (uint8_t)(digest[i] ^ frame->tag[i]);
    }
    if (difference != 0) {
        return false;
    }
    frame->flags &= (uint8_t)~MESO_FRAME_AUTHENTIC;
    return true;
}

/// Decoder ///

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
