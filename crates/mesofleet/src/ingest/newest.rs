//! Which of the stored shots are worth showing.

use std::collections::BTreeMap;

use meso_domain::{Judgement, Shot};
use meso_store::{NewBlock, ShotFate};
use meso_units::{GunSerial, Timestamp};

use super::steps::{NewShot, News};

const SECOND_NS: i64 = 1_000_000_000;

/// How long a gun of which nothing comes is remembered, in ns: one minute.
const KEPT_NS: i64 = 60 * SECOND_NS;

/// What was shown of each gun lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(BTreeMap<GunSerial, OfGun>);

#[derive(Clone, Copy, Debug)]
struct OfGun {
    /// When its present second began, and how many shots were shown in it.
    since: Timestamp,
    count: usize,
    newest: Option<Timestamp>,
}

impl OfGun {
    /// How many of these are shown, the newest first.
    fn take(&mut self, times: &mut Vec<Timestamp>, now: Timestamp) {
        if !(0..SECOND_NS).contains(&now.since_ns(self.since)) {
            (self.since, self.count) = (now, 0);
        }
        times.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        let newest = self.newest.max(times.first().copied());
        let before = std::mem::replace(&mut self.newest, newest);
        times.retain(|at| {
            // What is older than what was shown must not keep out what happens now.
            let most = match Some(*at) > before {
                true => News::SHOTS_OF_A_GUN_MAX,
                false => News::SHOTS_OF_A_GUN_MAX / 2,
            };
            let has_room = self.count < most;
            self.count += usize::from(has_room);
            has_room
        });
    }
}

impl Shown {
    /// The newest shots of each gun, in the order of arrival, as many as this second has room for: a
    /// page shows what happens now, and a backlog of hours that passed through it would only hide
    /// that.
    pub(super) fn take<'b>(
        &mut self,
        blocks: impl Iterator<Item = &'b NewBlock> + Clone,
        now: Timestamp,
    ) -> Vec<NewShot> {
        self.0
            .retain(|_, of_gun| (0..KEPT_NS).contains(&now.since_ns(of_gun.since)));
        let mut from: BTreeMap<&GunSerial, Vec<Timestamp>> = BTreeMap::new();
        for (shot, _) in blocks.clone().flat_map(stored) {
            from.entry(&shot.identity.gun).or_default().push(shot.at);
        }
        for (gun, times) in &mut from {
            let of_gun = self.0.entry((*gun).clone()).or_insert(OfGun {
                since: now,
                count: 0,
                newest: None,
            });
            of_gun.take(times, now);
        }
        let is_newest = |gun: &GunSerial, at: Timestamp| {
            let oldest = from.get(gun).and_then(|times| times.last());
            oldest.is_some_and(|oldest| at >= *oldest)
        };
        let of_block = |block: &'b NewBlock| {
            let shots = stored(block);
            let newest = shots.filter(|(shot, _)| is_newest(&shot.identity.gun, shot.at));
            newest.map(|(shot, verdict)| NewShot {
                shot: shot.clone(),
                session: block.block.header().session,
                verdict: verdict.clone(),
            })
        };
        blocks.flat_map(of_block).collect()
    }
}

fn stored(block: &NewBlock) -> impl Iterator<Item = (&Shot, &Judgement)> {
    let shots = block.block.shots().zip(&block.fates);
    shots.filter_map(|((shot, _), fate)| match fate {
        ShotFate::Store(verdict) => Some((shot, verdict)),
        ShotFate::OtherCopyStored => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{PaperDriver, at, sample_gun, sample_shot};

    #[test]
    fn of_a_backlog_the_newest_shots_of_each_gun_are_shown() {
        let other = GunSerial::parse("GUN-9999").unwrap();
        let mut driver = PaperDriver::new();
        let mut block = |counters: std::ops::RangeInclusive<u32>, gun: &GunSerial| {
            let shot = |counter| {
                let mut shot = sample_shot(counter, 2_500);
                shot.identity.gun = gun.clone();
                shot
            };
            let block = driver.shots(counters.map(shot).collect(), None);
            let fates = block.shots().map(|(_, edge)| ShotFate::Store(edge.clone()));
            NewBlock {
                hash: block.hash(),
                fates: fates.collect(),
                utc_offset_s: 0,
                block,
            }
        };
        // Live blocks come before older ones.
        let blocks = [
            block(200..=200, &sample_gun()),
            block(1..=50, &sample_gun()),
            block(51..=100, &sample_gun()),
            block(5..=5, &other),
        ];
        let mut shown = Shown::default();
        let first = shown.take(blocks.iter(), at(0));
        let first = first.iter().map(|new| &new.shot.identity);
        let first: Vec<_> = first.map(|shot| (shot.counter.get(), &shot.gun)).collect();
        let gun = sample_gun();
        let mut expected = vec![(200, &gun)];
        expected.extend((70..=100).map(|counter| (counter, &gun)));
        expected.push((5, &other));
        assert_eq!(first, expected);
        let in_the_same_second = shown.take(blocks[1..2].iter(), at(0));
        assert!(in_the_same_second.is_empty());
        let older = shown.take(blocks[1..2].iter(), at(1));
        assert_eq!(older.len(), News::SHOTS_OF_A_GUN_MAX / 2);
        let live = block(201..=205, &sample_gun());
        assert_eq!(shown.take([live].iter(), at(1)).len(), 5);
    }
}
