#!/usr/bin/env python3
"""Writes the test vectors of the meso link, version 1.

A third implementation, from SPEC.md alone: it shares no code with the C library and the Rust
crate, and uses nothing but Python's standard library. `make.py FOLDER` writes the files there.

messages.txt  SEQUENCE KIND FIELD=VALUE... WIRE      decodes to that, and encodes to those bytes
frames.txt    frame|alias KIND SEQUENCE PAYLOAD WIRE decodes to that; a `frame` also encodes so
              garbage REASON RUN                     a run without its delimiter that is no frame
rejects.txt   REASON WIRE                            arrives whole and is wrong in one way
sealed.txt    session NAME=VALUE...                  what the key of the lines below is made from
              seal KIND SEQUENCE COUNTER PAYLOAD WIRE  encodes to that, with counter and tag
              gun WHAT WIRE, host WHAT WIRE          one after the other, what the other side does
                                                     with it: accepted, or a reason to ignore it

Bytes are hexadecimal, `-` stands for none. Lines that begin with # are comments.
"""

import hashlib
import hmac
import struct
import sys
import zlib
from pathlib import Path

# Name: (kind, fields), as in SPEC.md section 5.
LAYOUTS = {
    "HELLO": (0x01, "protocol_min:B protocol_max:B schema:I session:I serial:16s model:16s "
              "firmware:16s firmware_hash:8s boot_id:I boot_count:I epoch:Q oldest:I newest:I "
              "acknowledged:I lost:I capabilities:I depth_max_um:I volume_max_nl:I "
              "frequency_max_spm:H lease_ms:H lease_loss:B inhibited:B inhibit_number:I "
              "tick_us:Q nonce:16s"),
    "SHOT": (0x02, "epoch:Q counter:I boot_id:I tick_us:Q interval_us:Q depth_set_um:I "
             "depth_sensed_um:I volume_set_nl:I volume_sensed_nl:I frequency_set_spm:H "
             "needles:B purpose:B pressure_pa:i flags:H present:H"),
    "STATUS": (0x03, "tick_us:Q epoch:Q oldest:I newest:I acknowledged:I lost:I battery_mv:I "
               "temperature_mc:i vacuum_pa:i shots_on_needle:I lifetime_shots:I faults:I "
               "inhibited:B present:B inhibit_number:I refused:I"),
    "RANGE": (0x04, "session:I request:H epoch:Q requested:I from:I newest:I"),
    "TIME_ANSWER": (0x05, "request:I host_sent_ns:q gun_received_us:Q gun_sent_us:Q"),
    "RESULT": (0x06, "session:I command:H result:B inhibited:B inhibit_number:I epoch:Q "
               "depth_max_um:I volume_max_nl:I frequency_max_spm:H"),
    "SETTINGS": (0x07, "session:I command:H depth_set_um:I volume_set_nl:I frequency_set_spm:H "
                 "needles:B purpose:B depth_max_um:I volume_max_nl:I frequency_max_spm:H "
                 "lease_ms:H lease_loss:B present:B"),
    "HOST_HELLO": (0x81, "protocol_min:B protocol_max:B schema:I session:I nonce:16s"),
    "ACKNOWLEDGE": (0x82, "session:I epoch:Q counter:I"),
    "SEND_FROM": (0x83, "session:I request:H epoch:Q counter:I"),
    "TIME_REQUEST": (0x84, "request:I host_sent_ns:q padding:16x"),
    "ASSIGN_EPOCH": (0x85, "session:I command:H replaces:Q epoch:Q"),
    "INHIBIT": (0x86, "session:I command:H reason:B"),
    "RESUME": (0x87, "session:I command:H inhibit_number:I"),
    "KEEP_ALIVE": (0x88, "session:I epoch:Q counter:I"),
    "SET_LIMITS": (0x89, "session:I command:H depth_max_um:I volume_max_nl:I "
                   "frequency_max_spm:H"),
    "READ_SETTINGS": (0x8A, "session:I command:H"),
    "IDENTIFY": (0x8B, "session:I command:H seconds:B"),
}
# How SPEC.md writes the types; the schema number is the checksum of that text.
TYPES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "i": "i32", "q": "i64", "8s": "u8x8",
         "16x": "u8x16"}

U32 = 2**32 - 1
U64 = 2**64 - 1
TICK_MAX = 9 * 10**15


def fields_of(name):
    """Names and struct codes of a layout."""
    return [field.split(":") for field in LAYOUTS[name][1].split()]


def type_of(field, code):
    if code == "16s":
        return "u8x16" if field == "nonce" else "text16"
    return TYPES[code]


def schema():
    """The schema number of version 1."""
    text = ""
    for name, (kind, _) in LAYOUTS.items():
        fields = [f"{field}:{type_of(field, code)}" for field, code in fields_of(name)]
        text += " ".join([f"{kind:02X} {name}", *fields]) + "\n"
    return zlib.crc32(text.encode())


def payload(name, values):
    """The payload of a message; fields that are not given are zero."""
    out = b""
    for field, code in fields_of(name):
        if code.endswith("x"):
            out += bytes(int(code[:-1]))
        elif code.endswith("s"):
            raw = values.get(field, b"")
            out += struct.pack("<" + code, raw if isinstance(raw, bytes) else raw.encode())
        else:
            out += struct.pack("<" + code, values.get(field, 0))
    return out


def cobs(data, closes_full_block=False):
    """Consistent overhead byte stuffing, block by block."""
    blocks = data.split(b"\0")
    out = b""
    for number, block in enumerate(blocks):
        is_last = number == len(blocks) - 1
        while len(block) > 254 or (len(block) == 254 and not is_last):
            out += b"\xff" + block[:254]
            block = block[254:]
        if is_last and len(block) == 254:
            out += b"\xff" + block + (b"\x01" if closes_full_block else b"")
        else:
            out += bytes([len(block) + 1]) + block
    return out


def plain(kind, sequence, body, version=1, flags=0):
    """A frame before COBS."""
    head = struct.pack("<BBH", kind, version | flags << 4, sequence) + body
    return head + struct.pack("<I", zlib.crc32(head))


def wire(kind, sequence, body, **more):
    """A frame as it goes out."""
    return cobs(plain(kind, sequence, body, **more)) + b"\0"


def sealed(session_key, counter, kind, sequence, body, flags=1):
    """A frame with counter and tag as it goes out."""
    head = struct.pack("<BBH", kind, 1 | flags << 4, sequence) + body + struct.pack("<I", counter)
    tag = hmac.new(session_key, head, hashlib.sha256).digest()[:16]
    return wire(kind, sequence, body + struct.pack("<I", counter) + tag, flags=flags)


def hkdf(salt, key, info):
    """RFC 5869 with SHA-256, one block long."""
    pseudorandom = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(pseudorandom, info + b"\x01", hashlib.sha256).digest()


def shown(raw):
    return raw.hex() or "-"


HELLO = dict(protocol_min=1, protocol_max=1, schema=schema(), session=0x1234,
             serial="GUN-0001-ABCDEFG", model="MESO-EMULATED-16", firmware="1.0.0",
             firmware_hash=bytes(range(1, 9)), boot_id=3, boot_count=4, epoch=9, oldest=5,
             newest=12, acknowledged=7, lost=2, capabilities=0x21, depth_max_um=13000,
             volume_max_nl=1000000, frequency_max_spm=0, lease_ms=3000, lease_loss=1,
             inhibited=1, inhibit_number=6, tick_us=77, nonce=bytes(range(0xA0, 0xB0)))
SHOT = dict(epoch=0x0102030405060708, counter=5, boot_id=0xB007, tick_us=1000000,
            interval_us=125000, depth_set_um=2000, depth_sensed_um=2017, volume_set_nl=20000,
            volume_sensed_nl=19730, frequency_set_spm=480, needles=1, purpose=1, present=0x7F)
STATUS = dict(tick_us=5, epoch=9, oldest=5, newest=12, acknowledged=7, lost=2, battery_mv=3700,
              temperature_mc=-1500, vacuum_pa=-40000, shots_on_needle=0, lifetime_shots=0,
              faults=0x80000001, inhibited=0, present=0x0F, inhibit_number=1, refused=3)
RANGE = dict(session=1, request=2, epoch=3, requested=4, newest=0, **{"from": 5})
RESULT = dict(session=1, command=2, result=3, inhibited=1, inhibit_number=3, epoch=0,
              depth_max_um=4000, volume_max_nl=50000, frequency_max_spm=600)
SETTINGS = dict(session=1, command=2, depth_set_um=1500, volume_set_nl=20000,
                frequency_set_spm=480, needles=5, purpose=1, depth_max_um=4000,
                volume_max_nl=50000, frequency_max_spm=600, lease_ms=3000, lease_loss=1,
                present=0x0F)
HOST_HELLO = dict(protocol_min=1, protocol_max=1, schema=schema(), session=0x5E551071)
TIME_ANSWER = dict(request=1, host_sent_ns=-2, gun_received_us=3, gun_sent_us=4)
MARK = dict(session=1, epoch=2, counter=3)
SEND_FROM = dict(session=1, request=2, epoch=3, counter=4)
ASSIGN_EPOCH = dict(session=1, command=2, replaces=0, epoch=U64)
INHIBIT = dict(session=1, command=2, reason=255)
RESUME = dict(session=1, command=2, inhibit_number=3)
SET_LIMITS = dict(session=1, command=2, depth_max_um=4000, volume_max_nl=50000,
                  frequency_max_spm=600)
READ_SETTINGS = dict(session=1, command=2)
IDENTIFY = dict(session=1, command=2, seconds=5)
# A good message of each kind.
SAMPLES = dict(HELLO=HELLO, SHOT=SHOT, STATUS=STATUS, RANGE=RANGE, TIME_ANSWER=TIME_ANSWER,
               RESULT=RESULT, SETTINGS=SETTINGS, HOST_HELLO=HOST_HELLO, ACKNOWLEDGE=MARK,
               SEND_FROM=SEND_FROM, TIME_REQUEST={}, ASSIGN_EPOCH=ASSIGN_EPOCH, INHIBIT=INHIBIT,
               RESUME=RESUME, KEEP_ALIVE=MARK, SET_LIMITS=SET_LIMITS,
               READ_SETTINGS=READ_SETTINGS, IDENTIFY=IDENTIFY)

MESSAGES = [
    (7, "HELLO", HELLO),
    (0, "HELLO", dict(HELLO, session=0, serial="-", model="~", firmware="!", epoch=0, oldest=0,
                      newest=0, acknowledged=0, lost=0, firmware_hash=bytes(8), inhibited=0,
                      lease_loss=0, inhibit_number=0, nonce=bytes(16), depth_max_um=0, volume_max_nl=0,
                      capabilities=U32, boot_id=U32, boot_count=U32, tick_us=TICK_MAX)),
    (1, "HELLO", dict(HELLO, protocol_min=0, protocol_max=255, schema=0, lease_ms=65535,
                      volume_max_nl=U32, frequency_max_spm=6000)),
    (0x0A0B, "SHOT", SHOT),
    (65535, "SHOT", dict(epoch=U64, counter=U32 - 1, boot_id=U32, tick_us=TICK_MAX,
                         interval_us=TICK_MAX, depth_set_um=13000, depth_sensed_um=13000,
                         volume_set_nl=10**7, volume_sensed_nl=10**7, frequency_set_spm=6000,
                         needles=99, purpose=5, pressure_pa=10**6, flags=0x3F, present=0xFF)),
    (2, "SHOT", dict(epoch=1, counter=1, frequency_set_spm=1, needles=1, pressure_pa=-101325,
                     present=0xE0)),
    (3, "SHOT", dict(epoch=1, counter=1)),
    (4, "STATUS", STATUS),
    (5, "STATUS", dict(tick_us=TICK_MAX, battery_mv=60000, temperature_mc=150000,
                       vacuum_pa=10**6, shots_on_needle=U32, lifetime_shots=U32, faults=U32,
                       inhibited=1, present=0x1F, inhibit_number=U32, refused=U32)),
    (6, "STATUS", dict(temperature_mc=-50000, vacuum_pa=-101325, present=0x06)),
    (7, "STATUS", {}),
    (8, "RANGE", RANGE),
    (9, "RANGE", dict(session=U32, request=65535, epoch=U64, requested=U32, newest=U32,
                      **{"from": U32})),
    (10, "TIME_ANSWER", TIME_ANSWER),
    (11, "TIME_ANSWER", dict(request=U32, host_sent_ns=-2**63, gun_received_us=TICK_MAX,
                             gun_sent_us=TICK_MAX)),
    (12, "TIME_ANSWER", dict(host_sent_ns=2**63 - 1)),
    (13, "RESULT", RESULT),
    (14, "RESULT", dict(RESULT, result=200, inhibited=0, epoch=U64)),
    (15, "HOST_HELLO", HOST_HELLO),
    (16, "HOST_HELLO", dict(protocol_min=2, protocol_max=255, schema=U32, session=U32,
                            nonce=b"\xff" * 16)),
    (17, "ACKNOWLEDGE", MARK),
    (18, "ACKNOWLEDGE", dict(session=1)),
    (19, "SEND_FROM", SEND_FROM),
    (20, "TIME_REQUEST", dict(request=1, host_sent_ns=2)),
    (21, "TIME_REQUEST", dict(request=U32, host_sent_ns=-1)),
    (22, "ASSIGN_EPOCH", ASSIGN_EPOCH),
    (23, "INHIBIT", INHIBIT),
    (24, "RESUME", RESUME),
    (25, "KEEP_ALIVE", dict(session=U32, epoch=U64, counter=U32)),
    (26, "SETTINGS", SETTINGS),
    (27, "SETTINGS", dict(session=U32, command=65535, depth_set_um=13000, volume_set_nl=10**7,
                          frequency_set_spm=6000, needles=99, purpose=5, depth_max_um=13000,
                          volume_max_nl=U32, frequency_max_spm=6000, lease_ms=65535,
                          present=0x0F)),
    (28, "SETTINGS", dict(frequency_set_spm=1, needles=1, present=0x0F)),
    (29, "SETTINGS", {}),
    (30, "SET_LIMITS", SET_LIMITS),
    (31, "SET_LIMITS", dict(session=U32, command=65535, depth_max_um=13000, volume_max_nl=U32,
                            frequency_max_spm=6000)),
    (32, "SET_LIMITS", dict(session=1)),
    (33, "READ_SETTINGS", READ_SETTINGS),
    (34, "IDENTIFY", IDENTIFY),
    (35, "IDENTIFY", dict(session=U32, command=65535, seconds=60)),
    (36, "IDENTIFY", dict(session=1)),
    (37, "RESULT", dict(RESULT, result=5, depth_max_um=13000, volume_max_nl=U32,
                        frequency_max_spm=6000)),
]


def message_lines():
    for sequence, name, values in MESSAGES:
        texts = []
        for field, code in fields_of(name):
            if code.endswith("x"):
                continue
            value = values.get(field, bytes(int(code[:-1])) if code.endswith("s") else 0)
            texts.append(f"{field}={value.hex() if isinstance(value, bytes) else value}")
        body = payload(name, values)
        yield " ".join([str(sequence), name, *texts, shown(wire(LAYOUTS[name][0], sequence, body))])


def without_zero(kind, sequence, length):
    """A payload that leaves no zero anywhere in its frame, its checksum included."""
    for filler in range(1, 256):
        body = bytes([filler]) * length
        if 0 not in plain(kind, sequence, body):
            return body
    raise AssertionError("no filler leaves the checksum without a zero")


def frame_lines():
    # 246 bytes of payload make 254 before COBS: a run of 254 is the whole frame.
    longest = without_zero(0x02, 0x0101, 246)
    for body, sequence in [
        (b"", 0),
        (b"\0", 0),
        (bytes(246), 0),
        (bytes(60), 65535),
        (longest, 0x0101),
        (longest[:245], 0x0101),
        (b"\0" + longest[1:], 0x0101),
        (longest[:-1] + b"\0", 0x0101),
        (bytes(range(246)), 0x8000),
        (b"\xff" * 246, 0xFFFF),
    ]:
        yield f"frame 2 {sequence} {shown(body)} {shown(wire(0x02, sequence, body))}"
    closed = cobs(plain(0x02, 0x0101, longest), closes_full_block=True)
    yield f"alias 2 {0x0101} {shown(longest)} {shown(closed + bytes(1))}"
    yield from garbage_lines()


def garbage_lines():
    shot = plain(0x02, 1, payload("SHOT", SHOT))
    good = cobs(shot)
    broken_sum = shot[:-1] + bytes([shot[-1] ^ 1])
    broken_body = bytes([shot[0] ^ 0x80]) + shot[1:]
    other_sum = shot[:-4] + struct.pack("<I", zlib.crc32(shot[:-4]) ^ U32)
    # 255 bytes before COBS are one too many though the checksum is right: with a zero early on
    # they are 256 on the wire, without any zero 257.
    too_long = plain(0x02, 0x0001, b"\x07" * 247)
    too_long_without_zero = plain(0x02, 0x0101, without_zero(0x02, 0x0101, 247))
    for reason, run in [
        ("bad_crc", cobs(broken_sum)),
        ("bad_crc", cobs(broken_body)),
        ("bad_crc", cobs(other_sum)),
        ("bad_crc", cobs(shot[:7])),
        ("bad_crc", cobs(b"")),
        ("bad_crc", cobs(bytes(8))),
        ("bad_crc", cobs(bytes(254))),
        ("bad_crc", b"\x01" * 256),
        ("bad_crc", cobs(too_long)),
        ("oversize", cobs(too_long_without_zero)),
        ("bad_cobs", good[:-1]),
        ("bad_cobs", b"\x02"),
        ("bad_cobs", b"\xff" + b"\x01" * 253),
        ("bad_cobs", b"\x05" + good[1:]),
        ("oversize", b"\x01" * 257),
        ("oversize", b"\xff" * 300),
        ("oversize", good + b"\x55" * 1000),
    ]:
        yield f"garbage {reason} {shown(run)}"


def changed(name, values, **changes):
    return LAYOUTS[name][0], payload(name, dict(values, **changes))


def reject_lines():
    for reason, (kind, body), more in [
        ("unknown_kind", (0x00, b""), {}),
        ("unknown_kind", (0x08, b"\x01"), {}),
        ("unknown_kind", (0x8C, bytes(6)), {}),
        ("unknown_kind", (0x80, b""), {}),
        ("unknown_kind", (0xFF, bytes(246)), {}),
        ("unknown_version", changed("SHOT", SHOT), dict(version=0)),
        ("unknown_version", changed("SHOT", SHOT), dict(version=2)),
        ("unknown_version", changed("ASSIGN_EPOCH", ASSIGN_EPOCH), dict(version=15)),
        ("unknown_flags", changed("SHOT", SHOT), dict(flags=2)),
        ("unknown_flags", changed("HELLO", HELLO), dict(flags=8)),
        ("impossible", changed("SHOT", SHOT, depth_set_um=13001), {}),
        ("impossible", changed("SHOT", SHOT, depth_sensed_um=U32), {}),
        ("impossible", changed("SHOT", SHOT, volume_set_nl=10**7 + 1), {}),
        ("impossible", changed("SHOT", SHOT, volume_sensed_nl=U32), {}),
        ("impossible", changed("SHOT", SHOT, frequency_set_spm=0), {}),
        ("impossible", changed("SHOT", SHOT, frequency_set_spm=6001), {}),
        ("impossible", changed("SHOT", SHOT, needles=0), {}),
        ("impossible", changed("SHOT", SHOT, needles=100), {}),
        ("impossible", changed("SHOT", SHOT, pressure_pa=-101326, present=0xFF), {}),
        ("impossible", changed("SHOT", SHOT, pressure_pa=10**6 + 1, present=0xFF), {}),
        ("impossible", changed("SHOT", SHOT, tick_us=TICK_MAX + 1), {}),
        ("impossible", changed("SHOT", SHOT, interval_us=U64), {}),
        ("unknown_code", changed("SHOT", SHOT, purpose=6), {}),
        ("unknown_code", changed("SHOT", SHOT, flags=0x40), {}),
        ("unknown_code", changed("SHOT", SHOT, present=0x100), {}),
        ("no_identity", changed("SHOT", SHOT, epoch=0), {}),
        ("no_identity", changed("SHOT", SHOT, counter=0), {}),
        ("no_identity", changed("SHOT", SHOT, counter=U32), {}),
        ("no_identity", changed("ASSIGN_EPOCH", ASSIGN_EPOCH, epoch=0), {}),
        ("impossible", changed("STATUS", STATUS, battery_mv=60001), {}),
        ("impossible", changed("STATUS", STATUS, temperature_mc=150001), {}),
        ("impossible", changed("STATUS", STATUS, temperature_mc=-50001), {}),
        ("impossible", changed("STATUS", STATUS, vacuum_pa=-101326), {}),
        ("impossible", changed("STATUS", STATUS, tick_us=U64), {}),
        ("unknown_code", changed("STATUS", STATUS, inhibited=2), {}),
        ("unknown_code", changed("RESULT", RESULT, inhibited=255), {}),
        ("impossible", changed("TIME_ANSWER", TIME_ANSWER, gun_received_us=TICK_MAX + 1), {}),
        ("impossible", changed("TIME_ANSWER", TIME_ANSWER, gun_sent_us=U64), {}),
        ("bad_text", changed("HELLO", HELLO, serial=b""), {}),
        ("bad_text", changed("HELLO", HELLO, serial=b"A\0B"), {}),
        ("bad_text", changed("HELLO", HELLO, model=b"\x7f"), {}),
        ("bad_text", changed("HELLO", HELLO, firmware=b"1.0\n"), {}),
        ("bad_text", changed("HELLO", HELLO, model=b"\xc3\xa9"), {}),
        ("impossible", changed("HELLO", HELLO, serial=b"gun-1"), {}),
        ("impossible", changed("HELLO", HELLO, serial=b"GUN 1"), {}),
        ("impossible", changed("HELLO", HELLO, depth_max_um=13001), {}),
        ("impossible", changed("HELLO", HELLO, frequency_max_spm=6001), {}),
        ("impossible", changed("HELLO", HELLO, tick_us=TICK_MAX + 1), {}),
        ("unknown_code", changed("HELLO", HELLO, lease_loss=2), {}),
        ("unknown_code", changed("HELLO", HELLO, inhibited=2), {}),
        ("impossible", changed("RESULT", RESULT, depth_max_um=13001), {}),
        ("impossible", changed("RESULT", RESULT, frequency_max_spm=6001), {}),
        ("impossible", changed("SETTINGS", SETTINGS, depth_set_um=13001), {}),
        ("impossible", changed("SETTINGS", SETTINGS, volume_set_nl=10**7 + 1), {}),
        ("impossible", changed("SETTINGS", SETTINGS, frequency_set_spm=0), {}),
        ("impossible", changed("SETTINGS", SETTINGS, frequency_set_spm=6001), {}),
        ("impossible", changed("SETTINGS", SETTINGS, needles=0), {}),
        ("impossible", changed("SETTINGS", SETTINGS, needles=100), {}),
        ("impossible", changed("SETTINGS", SETTINGS, depth_max_um=13001), {}),
        ("impossible", changed("SETTINGS", SETTINGS, frequency_max_spm=65535), {}),
        ("unknown_code", changed("SETTINGS", SETTINGS, purpose=6), {}),
        ("unknown_code", changed("SETTINGS", SETTINGS, lease_loss=2), {}),
        ("unknown_code", changed("SETTINGS", SETTINGS, present=0x10), {}),
        ("impossible", changed("SET_LIMITS", SET_LIMITS, depth_max_um=13001), {}),
        ("impossible", changed("SET_LIMITS", SET_LIMITS, frequency_max_spm=6001), {}),
        ("unknown_code", changed("IDENTIFY", IDENTIFY, seconds=61), {}),
        ("no_identity", changed("SEND_FROM", SEND_FROM, request=0), {}),
        ("no_identity", changed("SEND_FROM", SEND_FROM, counter=0), {}),
        ("no_identity", changed("RANGE", RANGE, requested=0), {}),
        ("no_identity", changed("RANGE", RANGE, **{"from": 0}), {}),
        *(("no_identity", changed(name, SAMPLES[name], session=0), {})
          for name, (kind, fields) in LAYOUTS.items() if kind & 0x80 and "session" in fields),
    ]:
        yield f"{reason} {shown(wire(kind, 1, body, **more))}"
    for name, sample in SAMPLES.items():
        kind, body = changed(name, sample)
        yield f"too_short {shown(wire(kind, 1, body[:-1]))}"
        yield f"too_short {shown(wire(kind, 1, b''))}"
        yield f"too_long {shown(wire(kind, 1, body + bytes(1)))}"


# A gun and a host that hold the same key. Their nonces are the first of a seed each, as the
# tests of this repository draw them.
KEY = bytes(range(0x40, 0x60))
HOST_SEED = bytes(range(0x10, 0x30))
GUN_SEED = bytes(range(0x80, 0xA0))
SESSION = 0x5E551071
HOST_NONCE = hmac.new(HOST_SEED, struct.pack("<Q", 1), hashlib.sha256).digest()[:16]
GUN_NONCE = hmac.new(GUN_SEED, struct.pack("<Q", 1), hashlib.sha256).digest()[:16]
SESSION_KEY = hkdf(HOST_NONCE + GUN_NONCE, KEY,
                   b"meso link 1" + struct.pack("<I", SESSION) + b"GUN-0001".ljust(16, b"\0"))
OTHER_KEY = hkdf(HOST_NONCE + HOST_NONCE, KEY, b"meso link 1")
# What that gun answers to the first greeting, fresh from its start: senses nothing, may be
# inhibited, holds a key.
KEYED_HELLO = dict(protocol_min=1, protocol_max=1, schema=schema(), session=SESSION,
                   serial="GUN-0001", model="TEST", firmware="1.0.0", boot_id=7, boot_count=1,
                   capabilities=0x60, lease_ms=3000, nonce=GUN_NONCE)


def sealed_lines():
    yield (f"session key={KEY.hex()} host_seed={HOST_SEED.hex()} gun_seed={GUN_SEED.hex()} "
           f"serial=GUN-0001 session={SESSION} host_nonce={HOST_NONCE.hex()} "
           f"gun_nonce={GUN_NONCE.hex()} session_key={SESSION_KEY.hex()}")
    sendable = (message for message in MESSAGES if message[1] != "HOST_HELLO")
    for counter, (sequence, name, values) in enumerate(sendable, 1):
        yield seal_line(LAYOUTS[name][0], sequence, counter, payload(name, values))
    yield seal_line(2, 0, U32, b"")
    yield seal_line(2, 0, 1, bytes(226))
    yield seal_line(0xFF, 0xFFFF, U32, b"\xff" * 226)
    yield from gun_lines()
    yield from host_lines()


def seal_line(kind, sequence, counter, body):
    raw = sealed(SESSION_KEY, counter, kind, sequence, body)
    return f"seal {kind} {sequence} {counter} {shown(body)} {shown(raw)}"


def turns(who, good, other):
    """What a side says, in this order: `good` is accepted when it comes with a right tag."""
    kind, body = good
    tagged = sealed(SESSION_KEY, 3, kind, 3, body)
    plain_run = plain(kind, 3, body, flags=1)[:-4]
    for what, raw in [
        ("accepted", sealed(SESSION_KEY, 2, kind, 2, body)),
        ("old_counter", sealed(SESSION_KEY, 2, kind, 2, body)),
        ("old_counter", sealed(SESSION_KEY, 1, kind, 3, body)),
        ("old_counter", sealed(SESSION_KEY, 0, kind, 3, body)),
        ("wrong_key", sealed(KEY, 3, kind, 3, body)),
        ("wrong_key", sealed(OTHER_KEY, 3, kind, 3, body)),
        ("no_tag", wire(kind, 3, body)),
        ("no_tag", wire(kind, 3, plain_run[4:], flags=1)),
        ("no_tag", wire(kind, 3, bytes(19), flags=1)),
        ("no_tag", wire(kind, 3, b"", flags=1)),
        ("wrong_tag", wire(kind, 3, body + struct.pack("<I", 3) + bytes(16), flags=1)),
        ("accepted", tagged),
        ("old_counter", tagged),
        # Losses leave gaps; what was sent before them is not taken any more.
        ("accepted", sealed(SESSION_KEY, 0x10000, kind, 4, body)),
        ("old_counter", sealed(SESSION_KEY, 0xFFFF, kind, 5, body)),
        *(("bent", raw) for raw in bent(kind, body)),
        ("accepted", sealed(SESSION_KEY, U32 - 1, *other)),
        ("accepted", sealed(SESSION_KEY, U32, kind, 6, body)),
        ("old_counter", sealed(SESSION_KEY, U32, kind, 7, body)),
    ]:
        yield f"{who} {what} {shown(raw)}"

def bent(kind, body):
    """A good frame in which one byte is another, its checksum right again."""
    whole = cobs_undone(sealed(SESSION_KEY, U32, kind, 8, body))[:-4]
    for at in [0, 2, 3, 4, len(whole) - 21, len(whole) - 20, len(whole) - 17, len(whole) - 16,
               len(whole) - 1]:
        changed_body = whole[:at] + bytes([whole[at] ^ 0x04]) + whole[at + 1:]
        yield cobs(changed_body + struct.pack("<I", zlib.crc32(changed_body))) + b"\0"


def cobs_undone(raw):
    """The frame of a run that ends with its delimiter; no run of 254 is in it."""
    out, at = b"", 0
    while raw[at]:
        out += raw[at + 1:at + raw[at]] + b"\0"
        at += raw[at]
    return out[:-1]


def gun_lines():
    yield f"gun accepted {shown(sealed(SESSION_KEY, 1, 0x01, 0, payload('HELLO', KEYED_HELLO)))}"
    status = changed("STATUS", STATUS, epoch=0, oldest=0, newest=0, acknowledged=0, lost=0)
    yield from turns("gun", status, (0x05, 9, payload("TIME_ANSWER", TIME_ANSWER)))


def host_lines():
    greeting = payload("HOST_HELLO", dict(HOST_HELLO, session=SESSION, nonce=HOST_NONCE))
    yield f"host accepted {shown(wire(0x81, 0, greeting))}"
    # A greeting never has a tag; and the same one again changes nothing.
    yield f"host no_tag_belongs {shown(sealed(SESSION_KEY, 9, 0x81, 1, greeting))}"
    yield f"host accepted {shown(wire(0x81, 1, greeting))}"
    keep_alive = changed("KEEP_ALIVE", dict(session=SESSION))
    time = (0x84, 9, payload("TIME_REQUEST", {}))
    yield from turns("host", keep_alive, time)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in [("messages", message_lines()), ("frames", frame_lines()),
                        ("rejects", reject_lines()), ("sealed", sealed_lines())]:
        text = "# Written by make.py: do not edit.\n" + "".join(line + "\n" for line in lines)
        (folder / f"{name}.txt").write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
