//! What the ingest lacks of a gun, and what a driver has of it.

use meso_units::{Epoch, JournalIncarnation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json_id::{hex_u64, parse_u64};
use crate::{NumberRange, PAYLOAD_VERSION, PayloadError};

/// Asks a driver what it has of a gun and epoch, and names what is missing; the topic names the
/// gun. Not retained: what is still missing is asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedMessage {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// Life of the journal that is asked, 16 hexadecimal digits; another one does not answer.
    pub incarnation: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// Counters that are missing, lowest first, at most [`WantedMessage::RANGE_COUNT_MAX`] ranges;
    /// none where the question is only whether the epoch is over.
    pub wanted: Vec<NumberRange>,
}

/// Says what a driver has of a gun and epoch; the topic names the gun. Not retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldMessage {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// Life of the journal that answers, 16 hexadecimal digits.
    pub incarnation: String,
    /// Epoch that was asked about, 16 hexadecimal digits.
    pub epoch: String,
    /// Counters of that epoch that the journal has, or that are going to be read from the gun,
    /// lowest first, at most [`HeldMessage::RANGE_COUNT_MAX`] ranges. Where there are more, the
    /// nearest are joined: it says rather too much than too little.
    pub held: Vec<NumberRange>,
    /// Epoch under which the gun is plugged in at this driver now, 16 hexadecimal digits; absent
    /// where it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub present_epoch: Option<String>,
}

impl WantedMessage {
    /// The most ranges of one message; what is beyond them is asked for later.
    pub const RANGE_COUNT_MAX: usize = 64;

    /// Asks a journal about an epoch.
    pub fn new(
        incarnation: JournalIncarnation,
        epoch: Epoch,
        wanted: Vec<NumberRange>,
    ) -> WantedMessage {
        WantedMessage {
            version: PAYLOAD_VERSION,
            incarnation: hex_u64(incarnation.get()),
            epoch: hex_u64(epoch.get()),
            wanted,
        }
    }

    /// The life of the journal that is asked.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn journal_incarnation(&self) -> Result<JournalIncarnation, PayloadError> {
        parse_u64("incarnation", &self.incarnation).map(JournalIncarnation)
    }

    /// The epoch.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn epoch(&self) -> Result<Epoch, PayloadError> {
        parse_u64("epoch", &self.epoch).map(Epoch)
    }

    fn check(&self) -> Result<(), PayloadError> {
        self.journal_incarnation()?;
        self.epoch()?;
        check_ranges("wanted", &self.wanted, WantedMessage::RANGE_COUNT_MAX)
    }
}

impl HeldMessage {
    /// The most ranges of one message: about 40 KiB.
    pub const RANGE_COUNT_MAX: usize = 1_024;

    /// Says what a journal has of an epoch.
    pub fn new(
        incarnation: JournalIncarnation,
        epoch: Epoch,
        held: Vec<NumberRange>,
        present_epoch: Option<Epoch>,
    ) -> HeldMessage {
        HeldMessage {
            version: PAYLOAD_VERSION,
            incarnation: hex_u64(incarnation.get()),
            epoch: hex_u64(epoch.get()),
            held: joined(held, HeldMessage::RANGE_COUNT_MAX),
            present_epoch: present_epoch.map(|epoch| hex_u64(epoch.get())),
        }
    }

    /// The life of the journal that answers.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn journal_incarnation(&self) -> Result<JournalIncarnation, PayloadError> {
        parse_u64("incarnation", &self.incarnation).map(JournalIncarnation)
    }

    /// The epoch that was asked about.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn epoch(&self) -> Result<Epoch, PayloadError> {
        parse_u64("epoch", &self.epoch).map(Epoch)
    }

    /// The epoch under which the gun is plugged in.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn present_epoch(&self) -> Result<Option<Epoch>, PayloadError> {
        let text = self.present_epoch.as_deref();
        let epoch = text.map(|text| parse_u64("present_epoch", text));
        Ok(epoch.transpose()?.map(Epoch))
    }

    fn check(&self) -> Result<(), PayloadError> {
        self.journal_incarnation()?;
        self.epoch()?;
        self.present_epoch()?;
        check_ranges("held", &self.held, HeldMessage::RANGE_COUNT_MAX)
    }
}

crate::json::json_message!(
    WantedMessage checked by WantedMessage::check,
    HeldMessage checked by HeldMessage::check
);

fn check_ranges(
    field: &'static str,
    ranges: &[NumberRange],
    count_max: usize,
) -> Result<(), PayloadError> {
    let wrong = |value: String| Err(PayloadError::UnknownWord { field, value });
    if ranges.len() > count_max {
        return wrong(format!("{} ranges, more than {count_max}", ranges.len()));
    }
    let is_counter = |range: &NumberRange| {
        1 <= range.first && range.first <= range.last && range.last <= u64::from(u32::MAX)
    };
    match ranges.iter().find(|range| !is_counter(range)) {
        Some(range) => wrong(format!("{} to {}", range.first, range.last)),
        None => Ok(()),
    }
}

/// Joins the nearest of sorted ranges until there are at most `count_max`.
fn joined(mut ranges: Vec<NumberRange>, count_max: usize) -> Vec<NumberRange> {
    if ranges.len() <= count_max {
        return ranges;
    }
    let between = |pair: &[NumberRange]| pair[1].first.saturating_sub(pair[0].last);
    let mut distances: Vec<u64> = ranges.windows(2).map(between).collect();
    distances.sort_unstable();
    let nearest = distances[ranges.len() - count_max - 1];
    ranges.dedup_by(|later, earlier| {
        let is_near = later.first.saturating_sub(earlier.last) <= nearest;
        if is_near {
            earlier.last = later.last;
        }
        is_near
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> NumberRange {
        NumberRange { first, last }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let life = JournalIncarnation(7);
        let wanted = WantedMessage::new(life, Epoch(9), vec![range(3, 4)]);
        let payload = wanted.encode().unwrap();
        assert_eq!(WantedMessage::decode(&payload), Ok(wanted));
        let held = HeldMessage::new(life, Epoch(9), vec![range(1, 2)], Some(Epoch(8)));
        let payload = held.encode().unwrap();
        assert_eq!(HeldMessage::decode(&payload), Ok(held));
    }

    #[test]
    fn ranges_that_no_gun_counts_and_too_many_of_them_are_refused() {
        let life = JournalIncarnation(7);
        for wrong in [range(0, 3), range(5, 4), range(1, u64::from(u32::MAX) + 1)] {
            let message = WantedMessage::new(life, Epoch(9), vec![wrong]);
            let payload = message.encode().unwrap();
            assert!(WantedMessage::decode(&payload).is_err(), "{wrong:?}");
        }
        let many = (1..=65).map(|n| range(3 * n, 3 * n)).collect();
        let payload = WantedMessage::new(life, Epoch(9), many).encode().unwrap();
        assert!(WantedMessage::decode(&payload).is_err());
    }

    #[test]
    fn where_there_are_too_many_ranges_the_nearest_are_joined() {
        let ranges = vec![range(1, 2), range(4, 5), range(20, 20), range(40, 41)];
        assert_eq!(
            joined(ranges.clone(), 3),
            vec![range(1, 5), range(20, 20), range(40, 41)]
        );
        assert_eq!(joined(ranges.clone(), 4), ranges);
    }
}
