//! The published specification and the code say the same.

use meso_link_proto::auth::{LinkKey, SealedSession, SessionName};
use meso_link_proto::message::{HostHello, ReadSettings};
use meso_link_proto::{Message, version};
use meso_units::GunSerial;

#[test]
fn the_specification_prints_the_very_layouts_of_the_schema_number() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-bridge/SPEC.md");
    let text = std::fs::read_to_string(path).unwrap();
    for line in version::LAYOUTS.lines() {
        assert!(
            text.contains(line),
            "SPEC.md lacks the layout line {line:?}"
        );
    }
    let schema = format!("0x{:08X}", version::schema());
    assert!(
        text.contains(&schema),
        "SPEC.md lacks the schema number {schema}"
    );
}

/// The specification without its line breaks.
fn specification() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-bridge/SPEC.md");
    std::fs::read_to_string(path).unwrap().replace('\n', "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sixteen bytes that count up from `first`.
fn counting(first: u8) -> [u8; 16] {
    std::array::from_fn(|place| first + u8::try_from(place).unwrap())
}

#[test]
fn the_examples_of_the_specification_are_what_the_code_sends() {
    let greeting = Message::HostHello(HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 0x5E55_1071,
        nonce: counting(0),
    });
    let serial = GunSerial::parse("GUN-0001").unwrap();
    let name = SessionName {
        host_nonce: counting(0xA0),
        gun_nonce: counting(0xB0),
        session: 0x5E55_1071,
        serial: &serial,
    };
    let key = LinkKey::new(std::array::from_fn(|place| u8::try_from(place).unwrap()));
    let request = Message::ReadSettings(ReadSettings {
        session: 0x5E55_1071,
        command: 7,
    });
    let sealed = request.encode_sealed(0, &mut SealedSession::new(&key, &name));
    for wire in [greeting.encode(0).unwrap(), sealed.unwrap()] {
        let example = hex(&wire);
        assert!(
            specification().contains(&example),
            "SPEC.md lacks {example}"
        );
    }
}
