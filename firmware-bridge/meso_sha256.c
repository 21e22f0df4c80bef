/* SHA-256 and HMAC as FIPS 180-4 and RFC 2104 write them: small before fast. */
#include "meso_sha256.h"

#include <string.h>

#define BLOCK_BYTES 64

/* A digest under way. `filled` bytes of `block` wait for the rest of it. */
struct sha256 {
    uint32_t state[8];
    uint8_t block[BLOCK_BYTES];
    size_t filled;
    uint64_t length;
};

static uint32_t rotate(uint32_t word, unsigned bits) {
    return word >> bits | word << (32 - bits);
}

static uint32_t load_be(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_be(uint8_t *at, uint32_t word) {
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(word >> (24 - 8 * i));
    }
}

/* The word of the schedule for round `i`, of which only the last sixteen are kept. */
static uint32_t next_word(uint32_t words[16], unsigned i) {
    uint32_t before_2 = words[(i + 14) % 16];
    uint32_t before_15 = words[(i + 1) % 16];
    uint32_t small_1 = rotate(before_2, 17) ^ rotate(before_2, 19) ^ before_2 >> 10;
    uint32_t small_0 = rotate(before_15, 7) ^ rotate(before_15, 18) ^ before_15 >> 3;
    words[i % 16] += small_1 + words[(i + 9) % 16] + small_0;
    return words[i % 16];
}

static void compress(uint32_t state[8], const uint8_t block[BLOCK_BYTES]) {
    static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    };
    uint32_t words[16];
    uint32_t s[8]; /* a to h of the standard */
    for (unsigned i = 0; i < 16; i++) {
        words[i] = load_be(block + 4 * i);
    }
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t word = i < 16 ? words[i] : next_word(words, i);
        uint32_t big_1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t first = s[7] + big_1 + choice + constants[i] + word;
        uint32_t big_0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += first;
        s[0] = first + big_0 + majority;
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

static void begin(struct sha256 *sum) {
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sum->state, initial, sizeof initial);
    sum->filled = 0;
    sum->length = 0;
}

static void add(struct sha256 *sum, const uint8_t *bytes, size_t length) {
    sum->length += length;
    while (length > 0) {
        size_t room = BLOCK_BYTES - sum->filled;
        size_t taken = length < room ? length : room;
        memcpy(sum->block + sum->filled, bytes, taken);
        sum->filled += taken;
        bytes += taken;
        length -= taken;
        if (sum->filled == BLOCK_BYTES) {
            compress(sum->state, sum->block);
            sum->filled = 0;
        }
    }
}

static void end(struct sha256 *sum, uint8_t digest[MESO_SHA256_BYTES]) {
    uint64_t bits = sum->length * 8;
    sum->block[sum->filled++] = 0x80;
    if (sum->filled > BLOCK_BYTES - 8) {
        memset(sum->block + sum->filled, 0, BLOCK_BYTES - sum->filled);
        compress(sum->state, sum->block);
        sum->filled = 0;
    }
    memset(sum->block + sum->filled, 0, BLOCK_BYTES - 8 - sum->filled);
    store_be(sum->block + BLOCK_BYTES - 8, (uint32_t)(bits >> 32));
    store_be(sum->block + BLOCK_BYTES - 4, (uint32_t)bits);
    compress(sum->state, sum->block);
    for (unsigned i = 0; i < 8; i++) {
        store_be(digest + 4 * i, sum->state[i]);
    }
}

void meso_sha256(const uint8_t *bytes, size_t length, uint8_t digest[MESO_SHA256_BYTES]) {
    struct sha256 sum;
    begin(&sum);
    add(&sum, bytes, length);
    end(&sum, digest);
}

/* Takes in the key, combined with the byte of the inner or the outer sum. */
static void add_pad(struct sha256 *sum, const uint8_t key[BLOCK_BYTES], uint8_t pad) {
    uint8_t block[BLOCK_BYTES];
    for (unsigned i = 0; i < BLOCK_BYTES; i++) {
        block[i] = key[i] ^ pad;
    }
    begin(sum);
    add(sum, block, sizeof block);
}

void meso_hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *bytes, size_t length,
                      uint8_t digest[MESO_SHA256_BYTES]) {
    struct sha256 sum;
    uint8_t block[BLOCK_BYTES] = {0};
    if (key_length > BLOCK_BYTES) {
        meso_sha256(key, key_length, block);
    } else if (key_length > 0) {
        memcpy(block, key, key_length);
    }
    add_pad(&sum, block, 0x36);
    add(&sum, bytes, length);
    end(&sum, digest);
    add_pad(&sum, block, 0x5c);
    add(&sum, digest, MESO_SHA256_BYTES);
    end(&sum, digest);
}

void meso_hkdf_sha256(const uint8_t *salt, size_t salt_length, const uint8_t *key,
                      size_t key_length, const uint8_t *info, size_t info_length,
                      uint8_t out[MESO_SHA256_BYTES]) {
    uint8_t pseudorandom[MESO_SHA256_BYTES];
    uint8_t block[MESO_HKDF_INFO_BYTES_MAX + 1];
    size_t taken = info_length < MESO_HKDF_INFO_BYTES_MAX ? info_length : MESO_HKDF_INFO_BYTES_MAX;
    meso_hmac_sha256(salt, salt_length, key, key_length, pseudorandom);
    if (taken > 0) {
        memcpy(block, info, taken);
    }
    block[taken] = 1;
    meso_hmac_sha256(pseudorandom, sizeof pseudorandom, block, taken + 1, out);
}
