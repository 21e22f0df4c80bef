//! Bytes of what waits for a channel.

use meso_domain::Severity;
use meso_domain::canonical::{CanonicalError, Decoder, Encoder};
use meso_units::ClinicId;

use super::{Item, Queue};
use crate::AlertId;

/// The version of the bytes.
const VERSION: u8 = 1;

pub(super) fn encode(queue: &Queue) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.u8(VERSION);
    encoder.u64(queue.letter);
    encoder.u32(queue.try_count);
    encoder.option(queue.not_before.as_ref(), |e, at| e.timestamp(*at));
    encoder.u64(queue.folded_count);
    encoder.list(&queue.items, |e, item| {
        e.text(&item.idempotency_key);
        e.u64(item.alert.get());
        e.text(&item.rule);
        e.text(item.clinic.as_str());
        e.text(&item.gun);
        e.text(&item.kind);
        e.u8(item.severity.code());
        e.text(&item.text);
        e.timestamp(item.opened_at);
        e.timestamp(item.at);
        e.u8(u8::from(item.is_over));
        e.option(item.letter.as_ref(), |e, letter| e.u64(*letter));
    });
    encoder.into_bytes()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Queue, CanonicalError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.u8()?;
    if version != VERSION {
        return Err(CanonicalError::UnknownCode {
            field: "outbox version",
            code: version.into(),
        });
    }
    let queue = Queue {
        letter: decoder.u64()?,
        try_count: decoder.u32()?,
        not_before: decoder.option(Decoder::timestamp)?,
        folded_count: decoder.u64()?,
        is_out: false,
        items: decoder.list("items", read_item)?,
    };
    decoder.finish()?;
    Ok(queue)
}

fn read_item(decoder: &mut Decoder<'_>) -> Result<Item, CanonicalError> {
    Ok(Item {
        idempotency_key: decoder.text("key")?.to_owned(),
        alert: AlertId::from_number(decoder.u64()?),
        rule: decoder.text("rule")?.to_owned(),
        clinic: ClinicId::parse(decoder.text("clinic")?)?,
        gun: decoder.text("gun")?.to_owned(),
        kind: decoder.text("kind")?.to_owned(),
        severity: Severity::from_code(decoder.u8()?)?,
        text: decoder.text("text")?.to_owned(),
        opened_at: decoder.timestamp()?,
        at: decoder.timestamp()?,
        is_over: decoder.u8()? != 0,
        letter: decoder.option(Decoder::u64)?,
    })
}
