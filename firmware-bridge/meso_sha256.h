/*
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869) on it, for the authenticity of the
 * meso link. Freestanding: no heap, no table in RAM, nothing but memcpy and memset.
 *
 * A gun with its own hardware for SHA-256 leaves meso_sha256.c out of its build and provides
 * meso_sha256 and meso_hmac_sha256 itself; the rest of the library asks for nothing else.
 */
#ifndef MESO_SHA256_H
#define MESO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MESO_SHA256_BYTES 32

/* The SHA-256 of `length` bytes, such as those of a firmware image. */
void meso_sha256(const uint8_t *bytes, size_t length, uint8_t digest[MESO_SHA256_BYTES]);

/* HMAC-SHA256 of `length` bytes under a key of any length. */
void meso_hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *bytes, size_t length,
                      uint8_t digest[MESO_SHA256_BYTES]);

/*
 * HKDF-SHA256, extract and expand, for one block of output, which is all that the link needs.
 * `info` is at most MESO_HKDF_INFO_BYTES_MAX long; what is longer is cut.
 */
#define MESO_HKDF_INFO_BYTES_MAX 95
void meso_hkdf_sha256(const uint8_t *salt, size_t salt_length, const uint8_t *key,
                      size_t key_length, const uint8_t *info, size_t info_length,
                      uint8_t out[MESO_SHA256_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
