//! Shots of blocks, asked for in windows of time.

use super::point;
use super::query::{ReadHalf, Record, literal, name};
use crate::StoreError;
use crate::extent::STRETCH_NS_MAX;
use crate::shelf::{BlockSpan, ShelvedShot};
use crate::shot_row::bits;

/// Blocks of one question.
const WINDOW_BLOCKS_MAX: usize = 256;

/// Blocks further apart than this are asked for one by one, so that what a gun did between them is
/// not read in vain.
const WINDOW_GAP_NS_MAX: i64 = 600 * 1_000_000_000;

/// What one question asks for: blocks of one gun, and their time or a part of it.
struct Window<'s> {
    spans: &'s [&'s BlockSpan],
    from_ns: i64,
    to_ns: i64,
}

/// The shots of blocks, each with the row of its block.
pub(super) fn fetch(
    reader: &ReadHalf,
    spans: &[&BlockSpan],
) -> Result<Vec<(i64, ShelvedShot)>, StoreError> {
    let mut ordered = spans.to_vec();
    ordered.sort_unstable_by(|a, b| (&a.gun, a.from_ns).cmp(&(&b.gun, b.from_ns)));
    let mut shots = Vec::new();
    for near in ordered
        .chunk_by(|a, b| a.gun == b.gun && b.from_ns.saturating_sub(a.to_ns) <= WINDOW_GAP_NS_MAX)
    {
        let mut rest = near;
        while let Some(first) = rest.first() {
            let fits = rest
                .iter()
                .take(WINDOW_BLOCKS_MAX)
                .take_while(|span| span.to_ns.saturating_sub(first.from_ns) <= STRETCH_NS_MAX);
            let (now, later) = rest.split_at(fits.count().max(1));
            ask(reader, now, &mut shots)?;
            rest = later;
        }
    }
    Ok(shots)
}

/// Asks for blocks that fit into one question, or for one that does not.
fn ask(
    reader: &ReadHalf,
    spans: &[&BlockSpan],
    shots: &mut Vec<(i64, ShelvedShot)>,
) -> Result<(), StoreError> {
    if let [span] = spans {
        // A gun that was read after days has them all in one block.
        for (from_ns, to_ns) in span.stretches.iter() {
            let window = Window {
                spans,
                from_ns,
                to_ns,
            };
            window.ask(reader, shots)?;
        }
        return Ok(());
    }
    let from_ns = spans.iter().map(|span| span.from_ns).min();
    let to_ns = spans.iter().map(|span| span.to_ns).max();
    let Some((from_ns, to_ns)) = from_ns.zip(to_ns) else {
        return Ok(());
    };
    let window = Window {
        spans,
        from_ns,
        to_ns,
    };
    window.ask(reader, shots)
}

impl Window<'_> {
    fn ask(
        &self,
        reader: &ReadHalf,
        shots: &mut Vec<(i64, ShelvedShot)>,
    ) -> Result<(), StoreError> {
        let Some(first) = self.spans.first() else {
            return Ok(());
        };
        let question = format!(
            "SELECT * FROM {} WHERE \"gun\" = {} AND time >= {} AND time <= {}",
            name(point::SHOT),
            literal(first.gun.as_str()),
            self.from_ns,
            self.to_ns
        );
        for series in reader.ask(&question)? {
            for record in series.records() {
                shots.extend(self.shot(&record)?);
            }
        }
        Ok(())
    }

    /// A shot of the blocks that are asked for; others may lie in the same time.
    fn shot(&self, record: &Record<'_>) -> Result<Option<(i64, ShelvedShot)>, StoreError> {
        let place = (record.integer("incarnation")?, record.integer("block")?);
        let is_it =
            |span: &&&BlockSpan| place == (Some(bits(span.incarnation)), Some(bits(span.number)));
        let Some(span) = self.spans.iter().find(is_it) else {
            return Ok(None);
        };
        let position = record
            .integer("position")?
            .and_then(|n| usize::try_from(n).ok());
        let index = span
            .runs
            .shots()
            .position(|(other, _)| Some(other) == position);
        let (Some(position), Some(index)) = (position, index) else {
            return Ok(None);
        };
        let shelved = ShelvedShot {
            arrival: span.first_shot + i64::try_from(index).unwrap_or(0),
            position,
            shot: point::read(record, span)?,
        };
        Ok(Some((span.row, shelved)))
    }
}
