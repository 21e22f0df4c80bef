//! Which of the stored shots are worth showing.

use std::collections::BTreeMap;

use meso_domain::{Judgement, Shot};
use meso_store::{NewBlock, ShotFate};
use meso_units::{GunSerial, Timestamp};

use super::steps::{NewShot, News};

/// The newest shots of each gun, in the order of arrival: a page shows what happens now, and a
/// backlog of hours that passed through it would only hide that.
pub(super) fn newest_shots<'b>(blocks: impl Iterator<Item = &'b NewBlock> + Clone) -> Vec<NewShot> {
    let mut from: BTreeMap<&GunSerial, Vec<Timestamp>> = BTreeMap::new();
    for (shot, _) in blocks.clone().flat_map(stored) {
        from.entry(&shot.identity.gun).or_default().push(shot.at);
    }
    for times in from.values_mut() {
        times.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        times.truncate(News::SHOTS_OF_A_GUN_MAX);
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
    use crate::samples::{PaperDriver, sample_gun, sample_shot};

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
        let shown = newest_shots(blocks.iter());
        let shown = shown.iter().map(|new| &new.shot.identity);
        let shown: Vec<_> = shown.map(|shot| (shot.counter.get(), &shot.gun)).collect();
        let gun = sample_gun();
        let mut expected = vec![(200, &gun)];
        expected.extend((70..=100).map(|counter| (counter, &gun)));
        expected.push((5, &other));
        assert_eq!(shown, expected);
    }
}
