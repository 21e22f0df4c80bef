#!/usr/bin/env python3
"""Writes the test vectors of the meso link, version 1.

A third implementation, from SPEC.md alone: it shares no code with the C library and the Rust
crate, and uses nothing but Python's standard library. `make.py FOLDER` writes the files there.

messages.txt  SEQUENCE KIND FIELD=VALUE... WIRE      decodes to that, and encodes to those bytes
frames.txt    frame|alias KIND SEQUENCE PAYLOAD WIRE decodes to that; a `frame` also encodes so
              garbage REASON RUN                     a run without its delimiter that is no frame
rejects.txt   REASON WIRE                            arrives whole and is wrong in one way

Bytes are hexadecimal, `-` stands for none. Lines that begin with # are comments.
"""

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
              "tick_us:Q"),
    "SHOT": (0x02, "epoch:Q counter:I boot_id:I tick_us:Q interval_us:Q depth_set_um:I "
             "depth_sensed_um:I volume_set_nl:I volume_sensed_nl:I frequency_set_spm:H "
             "needles:B purpose:B pressure_pa:i flags:H present:H"),
    "STATUS": (0x03, "tick_us:Q epoch:Q oldest:I newest:I acknowledged:I lost:I battery_mv:I "
               "temperature_mc:i vacuum_pa:i shots_on_needle:I lifetime_shots:I faults:I "
               "inhibited:B present:B inhibit_number:I"),
    "RANGE": (0x04, "session:I request:H epoch:Q requested:I from:I newest:I"),
    "TIME_ANSWER": (0x05, "request:I host_sent_ns:q gun_received_us:Q gun_sent_us:Q"),
    "RESULT": (0x06, "session:I command:H result:B inhibited:B inhibit_number:I epoch:Q"),
    "HOST_HELLO": (0x81, "protocol_min:B protocol_max:B schema:I session:I"),
    "ACKNOWLEDGE": (0x82, "session:I epoch:Q counter:I"),
    "SEND_FROM": (0x83, "session:I request:H epoch:Q counter:I"),
    "TIME_REQUEST": (0x84, "request:I host_sent_ns:q padding:16x"),
    "ASSIGN_EPOCH": (0x85, "session:I command:H replaces:Q epoch:Q"),
    "INHIBIT": (0x86, "session:I command:H reason:B"),
    "RESUME": (0x87, "session:I command:H inhibit_number:I"),
    "KEEP_ALIVE": (0x88, "session:I epoch:Q counter:I"),
}

U32 = 2**32 - 1
U64 = 2**64 - 1
TICK_MAX = 9 * 10**15


def fields_of(name):
    """Names and struct codes of a layout."""
    return [field.split(":") for field in LAYOUTS[name][1].split()]


def payload(name, values):
    """The payload of a message; fields that are not given are zero."""
    out = b""
    for field, code in fields_of(name):
        if code.endswith("x"):
            out += bytes(int(code[:-1]))
        elif code.endswith("s"):
            raw = values[field]
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


def shown(raw):
    return raw.hex() or "-"


HELLO = dict(protocol_min=1, protocol_max=1, schema=0x37F75F8F, session=0x1234,
             serial="GUN-0001-ABCDEFG", model="MESO-EMULATED-16", firmware="1.0.0",
             firmware_hash=bytes(range(1, 9)), boot_id=3, boot_count=4, epoch=9, oldest=5,
             newest=12, acknowledged=7, lost=2, capabilities=0x21, depth_max_um=13000,
             volume_max_nl=1000000, frequency_max_spm=0, lease_ms=3000, lease_loss=1,
             inhibited=1, inhibit_number=6, tick_us=77)
SHOT = dict(epoch=0x0102030405060708, counter=5, boot_id=0xB007, tick_us=1000000,
            interval_us=125000, depth_set_um=2000, depth_sensed_um=2017, volume_set_nl=20000,
            volume_sensed_nl=19730, frequency_set_spm=480, needles=1, purpose=1, present=0x7F)
STATUS = dict(tick_us=5, epoch=9, oldest=5, newest=12, acknowledged=7, lost=2, battery_mv=3700,
              temperature_mc=-1500, vacuum_pa=-40000, shots_on_needle=0, lifetime_shots=0,
              faults=0x80000001, inhibited=0, present=0x0F, inhibit_number=1)
RESULT = dict(session=1, command=2, result=3, inhibited=1, inhibit_number=3, epoch=0)
TIME_ANSWER = dict(request=1, host_sent_ns=-2, gun_received_us=3, gun_sent_us=4)
ASSIGN_EPOCH = dict(session=1, command=2, replaces=0, epoch=U64)

MESSAGES = [
    (7, "HELLO", HELLO),
    (0, "HELLO", dict(HELLO, session=0, serial="-", model="~", firmware="!", epoch=0, oldest=0,
                      newest=0, acknowledged=0, lost=0, firmware_hash=bytes(8), inhibited=0,
                      lease_loss=0, inhibit_number=0, depth_max_um=0, volume_max_nl=0,
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
                       inhibited=1, present=0x1F, inhibit_number=U32)),
    (6, "STATUS", dict(temperature_mc=-50000, vacuum_pa=-101325, present=0x06)),
    (7, "STATUS", {}),
    (8, "RANGE", dict(session=1, request=2, epoch=3, requested=4, newest=0, **{"from": 5})),
    (9, "RANGE", dict(session=U32, request=65535, epoch=U64, requested=U32, newest=U32,
                      **{"from": U32})),
    (10, "TIME_ANSWER", TIME_ANSWER),
    (11, "TIME_ANSWER", dict(request=U32, host_sent_ns=-2**63, gun_received_us=TICK_MAX,
                             gun_sent_us=TICK_MAX)),
    (12, "TIME_ANSWER", dict(host_sent_ns=2**63 - 1)),
    (13, "RESULT", RESULT),
    (14, "RESULT", dict(RESULT, result=200, inhibited=0, epoch=U64)),
    (15, "HOST_HELLO", dict(protocol_min=1, protocol_max=1, schema=0x37F75F8F,
                            session=0x5E551071)),
    (16, "HOST_HELLO", dict(protocol_min=2, protocol_max=255, schema=U32, session=U32)),
    (17, "ACKNOWLEDGE", dict(session=1, epoch=2, counter=3)),
    (18, "ACKNOWLEDGE", dict(session=1)),
    (19, "SEND_FROM", dict(session=1, request=2, epoch=3, counter=4)),
    (20, "TIME_REQUEST", dict(request=1, host_sent_ns=2)),
    (21, "TIME_REQUEST", dict(request=U32, host_sent_ns=-1)),
    (22, "ASSIGN_EPOCH", ASSIGN_EPOCH),
    (23, "INHIBIT", dict(session=1, command=2, reason=255)),
    (24, "RESUME", dict(session=1, command=2, inhibit_number=3)),
    (25, "KEEP_ALIVE", dict(session=U32, epoch=U64, counter=U32)),
]


def message_lines():
    for sequence, name, values in MESSAGES:
        texts = []
        for field, code in fields_of(name):
            if code.endswith("x"):
                continue
            value = values.get(field, 0)
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
        ("unknown_kind", (0x07, b"\x01"), {}),
        ("unknown_kind", (0x80, b""), {}),
        ("unknown_kind", (0xFF, bytes(246)), {}),
        ("unknown_version", changed("SHOT", SHOT), dict(version=0)),
        ("unknown_version", changed("SHOT", SHOT), dict(version=2)),
        ("unknown_version", changed("ASSIGN_EPOCH", ASSIGN_EPOCH), dict(version=15)),
        ("unknown_flags", changed("SHOT", SHOT), dict(flags=1)),
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
    ]:
        yield f"{reason} {shown(wire(kind, 1, body, **more))}"
    samples = {"HELLO": HELLO, "ASSIGN_EPOCH": ASSIGN_EPOCH, "SHOT": SHOT}
    for name in LAYOUTS:
        kind, body = changed(name, samples.get(name, {}))
        yield f"too_short {shown(wire(kind, 1, body[:-1]))}"
        yield f"too_short {shown(wire(kind, 1, b''))}"
        yield f"too_long {shown(wire(kind, 1, body + bytes(1)))}"


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in [("messages", message_lines()), ("frames", frame_lines()),
                        ("rejects", reject_lines())]:
        text = "# Written by make.py: do not edit.\n" + "".join(line + "\n" for line in lines)
        (folder / f"{name}.txt").write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
