//! When a gun was told to fire no more, by whom, and when it was let go on.

use meso_units::{GunSerial, OperatorId, SessionId, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded};

/// What became of a gun's leave to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterlockChange {
    /// A person stopped it.
    StoppedByHand,
    /// A shot beyond a hard limit stopped it.
    StoppedByBreach,
    /// A person let it fire again.
    Resumed,
    /// It was to fire no more and does not obey: it cannot be stopped from here.
    NotStopped,
}

coded!(InterlockChange, "interlock change",
    StoppedByHand = 1, "stopped by hand";
    StoppedByBreach = 2, "stopped by a breach";
    Resumed = 3, "resumed";
    NotStopped = 4, "cannot be stopped";
);

/// A gun was told to fire no more, or let go on. What stops, stops the next shot, never this one.
///
/// It is a record of the room and not of a session: a hand at STOP needs no session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterlockEvent {
    /// The gun.
    pub gun: GunSerial,
    /// The session that it worked in, where it worked in one.
    pub session: Option<SessionId>,
    /// When, by the clock of the room's computer.
    pub at: Timestamp,
    /// What changed.
    pub change: InterlockChange,
    /// Who; `None` where no person did, or nobody was signed in.
    pub by: Option<OperatorId>,
    /// Why, in words, at most [`InterlockEvent::REASON_BYTES_MAX`] bytes; empty where a hand at STOP
    /// had no time to say.
    pub reason: String,
}

impl InterlockEvent {
    /// The longest reason, in bytes; the writer cuts a longer one.
    pub const REASON_BYTES_MAX: usize = 512;
}

impl Canonical for InterlockEvent {
    const KIND: u8 = 9;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.gun.as_str());
        encoder.option(self.session.as_ref(), |e, session| {
            e.fixed(session.as_bytes());
        });
        encoder.timestamp(self.at);
        encoder.u8(self.change.code());
        encoder.option(self.by.as_ref(), |e, by| e.text(by.as_str()));
        encoder.text(&self.reason);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<InterlockEvent, CanonicalError> {
        Ok(InterlockEvent {
            gun: GunSerial::parse(decoder.text("gun")?)?,
            session: decoder.option(|d| Ok(SessionId::from_bytes(d.fixed()?)))?,
            at: decoder.timestamp()?,
            change: InterlockChange::from_code(decoder.u8()?)?,
            by: decoder.option(|d| Ok(OperatorId::parse(d.text("operator")?)?))?,
            reason: decoder.text("reason")?.to_owned(),
        })
    }
}
