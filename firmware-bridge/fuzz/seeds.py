#!/usr/bin/env python3
"""Writes inputs from which the fuzzers begin: every vector, and a good life of a gun and a host.

`seeds.py FOLDER` writes FOLDER/decoder, FOLDER/gun and FOLDER/host, in the formats that decoder.c
and gun.c of this folder and targets.rs of crates/meso-link-proto/fuzz read.
"""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))
sys.dont_write_bytecode = True

from make import (LAYOUTS, MESSAGES, cobs_undone, frame_lines, payload, reject_lines,  # noqa: E402
                  schema, sealed_lines)

KEY = b"the key of every gun under fuzz."
WAIT, RAW, FRAME, POLL, FIRE, RESET, RESTART, LIMITS = range(8)
SEALED = 8


def decoder_seeds():
    for line in [*frame_lines(), *reject_lines(), *sealed_lines()]:
        if line.startswith("session"):
            continue
        wire = bytes.fromhex(line.split(" ")[-1])
        yield b"\x00\x00" + wire + b"\x00"
        if line.split(" ")[0] not in ("garbage", "frame", "alias"):
            yield b"\x01" + cobs_undone(wire)[:-4]
    for sequence, name, values in MESSAGES:
        head = bytes([LAYOUTS[name][0], 1]) + sequence.to_bytes(2, "little")
        yield b"\x01" + head + payload(name, values)


def said(name, how=0, **values):
    return bytes([FRAME | how, LAYOUTS[name][0]]) + payload(name, values)


def poll(frames):
    return bytes([POLL | (frames - 1) << 3])


def fire(how=0, depth_um=1500):
    return (bytes([FIRE | how, 0x6A]) + depth_um.to_bytes(2, "little")
            + (20000).to_bytes(2, "little") + bytes([200, 1, 0x0F]))


def wait(ms):
    return bytes([WAIT]) + (ms * 10).to_bytes(2, "little")


def life_of_gun(how, seal):
    greeting = dict(protocol_min=1, protocol_max=1, schema=schema(), session=7, nonce=bytes(16))
    life = bytes([how]) + said("HOST_HELLO", **greeting) + poll(2)
    life += said("ASSIGN_EPOCH", seal, session=7, command=1, epoch=5) + poll(2)
    life += fire() + wait(120) + fire(8) + said("SEND_FROM", seal, session=7, request=1, epoch=5,
                                                counter=1) + poll(4)
    life += said("ACKNOWLEDGE", seal, session=7, epoch=5, counter=1) + wait(1000) + poll(2)
    life += said("TIME_REQUEST", seal, request=1) + poll(1)
    life += said("SET_LIMITS", seal, session=7, command=2, depth_max_um=1400) + fire() + poll(1)
    life += said("READ_SETTINGS", seal, session=7, command=3) + poll(1)
    life += said("IDENTIFY", seal, session=7, command=4, seconds=9) + poll(1)
    life += said("INHIBIT", seal, session=7, command=5, reason=1) + fire() + poll(1)
    life += said("RESUME", seal, session=7, command=6, inhibit_number=1) + fire(depth_um=1000)
    life += said("KEEP_ALIVE", seal, session=7, epoch=5, counter=9) + poll(3)
    life += said("ASSIGN_EPOCH", seal, session=7, command=7, replaces=5, epoch=6) + poll(3)
    life += bytes([LIMITS, 0, 4]) + wait(3100) + poll(3) + bytes([RESET]) + poll(1)
    return life + bytes([RESTART | 8, 40, 0, 16]) + poll(2) + bytes([RAW, 3, 0, 1, 2])


def life_of_host(how, seal):
    begins = 0x10 if seal else 0
    hello = dict(protocol_min=1, protocol_max=1, schema=schema(), session=7, serial="GUN-0001",
                 model="FUZZ", firmware="1", boot_id=1, epoch=5, newest=3, oldest=1,
                 capabilities=0x1A0 | (0x40 if seal else 0), lease_ms=3000,
                 nonce=b"\x09" * 16 if seal else bytes(16))
    shot = dict(epoch=5, boot_id=1, tick_us=1000, depth_set_um=1500, present=0x02)
    life = bytes([how]) + said("HELLO", **dict(hello, session=0, nonce=bytes(16)))
    life += said("HELLO", seal | begins, **hello) + bytes([4, 5, 1])
    life += said("TIME_ANSWER", seal, request=1, gun_received_us=10, gun_sent_us=20)
    life += bytes([WAIT, 0xA0, 0x0F])
    life += said("RANGE", seal, session=7, request=1, epoch=5, requested=1, newest=3,
                 **{"from": 1})
    for counter in (1, 2, 2, 4, 3):
        life += said("SHOT", seal, counter=counter, **shot)
    life += said("SHOT", seal, counter=4, **dict(shot, depth_set_um=20000)) + bytes([5, 5, 2])
    life += said("STATUS", seal, tick_us=9, epoch=5, oldest=1, newest=9)
    life += bytes([3, 1]) + said("RESULT", seal, session=7, command=1, inhibited=1,
                                 inhibit_number=1, epoch=5)
    life += bytes([3, 2, 3, 4, 3, 0x35, 3, 0x48, 3, 3])
    life += said("SETTINGS", seal, session=7, command=3)
    life += said("RANGE", seal, session=7, request=0, epoch=5, requested=5, newest=9,
                 **{"from": 7})
    life += bytes([WAIT, 0xFF, 0xFF]) + bytes([4, 5, 9]) + bytes([WAIT, 0xA0, 0x0F])
    return life + said("RANGE", seal, session=7, request=2, epoch=5, requested=9, newest=3,
                       **{"from": 9})


def main():
    lives = [(how, seal) for seal in (0, SEALED) for how in (0x50, 0x56, 0x58)]
    seeds = {
        "decoder": decoder_seeds(),
        "gun": [life_of_gun(how | (1 if seal else 0), seal) for how, seal in lives],
        "host": [life_of_host(how | (1 if seal else 0), seal)
                 for seal in (0, SEALED) for how in (0, 2)],
    }
    for target, inputs in seeds.items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for data in inputs:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
