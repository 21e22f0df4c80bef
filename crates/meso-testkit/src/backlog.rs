//! Sealed blocks of many guns, as journals that have waited for long bring them.

use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Quantity, Record, RecordBlock, Shot, Sourced, Stream,
};
use meso_limits::Judge;
use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation, Micrometres,
    Microseconds, Nanolitres, Timestamp, Uncertainty,
};

use crate::samples::bare_shot;

/// The first shot of every gun: 1 June 2025.
const BEGINNING_NS: i64 = 1_748_736_000_000_000_000;

/// From one shot of a gun to its next.
const INTERVAL_US: u64 = 120_000;

/// Makes the blocks of guns one after the other; those of a gun are linked.
pub struct Backlog {
    clinic: ClinicId,
    guns_per_driver: u32,
    shots_per_block: u32,
    judge: Judge,
    guns: Vec<(u32, Option<BlockHash>)>,
}

impl Backlog {
    /// Of so many guns of a clinic, with so many to a driver.
    pub fn new(clinic: ClinicId, gun_count: u32, guns_per_driver: u32) -> Backlog {
        Backlog {
            clinic,
            guns_per_driver: guns_per_driver.max(1),
            shots_per_block: 64,
            judge: Judge::new(None),
            guns: (0..gun_count).map(|_| (0, None)).collect(),
        }
    }

    /// The serial number of a gun by its place, from 0.
    ///
    /// # Panics
    ///
    /// Never: the name is one.
    pub fn serial(gun: u32) -> GunSerial {
        GunSerial::parse(&format!("GUN-{gun:05}")).unwrap_or_else(|_| unreachable!("a serial"))
    }

    /// The driver that has the gun.
    pub fn driver(&self, gun: u32) -> DriverId {
        let name = format!("room-{}", gun / self.guns_per_driver);
        DriverId::parse(&name).unwrap_or_else(|_| unreachable!("an identifier"))
    }

    /// The journal of the gun's driver.
    pub fn incarnation(&self, gun: u32) -> JournalIncarnation {
        JournalIncarnation(u64::from(gun / self.guns_per_driver) + 1)
    }

    /// The next block of 64 shots of a gun; `None` where there is no such gun.
    pub fn next_block(&mut self, gun: u32) -> Option<RecordBlock> {
        let (driver, incarnation) = (self.driver(gun), self.incarnation(gun));
        let (sealed, previous) = self.guns.get_mut(gun as usize)?;
        let serial = Backlog::serial(gun);
        let first = *sealed * self.shots_per_block + 1;
        let shots: Vec<Shot> = (first..first + self.shots_per_block)
            .map(|counter| shot(&serial, counter))
            .collect();
        let judge = &mut self.judge;
        let judgements = shots.iter().map(|shot| judge.judge(shot, None)).collect();
        *sealed += 1;
        let header = BlockHeader {
            clinic: self.clinic.clone(),
            place: BlockPlace {
                driver,
                incarnation,
                stream: Stream::Gun(serial),
                number: BlockNumber((*sealed).into()),
            },
            previous: *previous,
            epoch: Some(Epoch(7)),
            session: None,
            record_count: 0,
            sealed_at: at(first),
            judgements_digest: [0; 32],
        };
        let records = shots.into_iter().map(Record::Shot).collect();
        let block = RecordBlock::seal(header, records, judgements).ok()?;
        *previous = Some(block.hash());
        Some(block)
    }
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog")
            .field("gun_count", &self.guns.len())
            .finish_non_exhaustive()
    }
}

fn at(counter: u32) -> Timestamp {
    let ns = BEGINNING_NS + i64::from(counter) * i64::try_from(INTERVAL_US * 1_000).unwrap_or(0);
    Timestamp::from_unix_ns(ns).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn shot(serial: &GunSerial, counter: u32) -> Shot {
    let tick = GunTick::new(u64::from(counter) * INTERVAL_US);
    let tick = tick.unwrap_or_else(|_| unreachable!("some years at most"));
    Shot {
        at: at(counter),
        uncertainty: Uncertainty::Within(1_000_000),
        needle_depth: Quantity {
            set: Micrometres::new(2_500).ok(),
            actual: Micrometres::new(2_400 + counter % 200)
                .ok()
                .map(Sourced::sensed),
        },
        volume: Quantity {
            set: Nanolitres::new(18_000).ok(),
            actual: Nanolitres::new(17_000 + u64::from(counter % 2_000))
                .ok()
                .map(Sourced::sensed),
        },
        interval: Microseconds::new(INTERVAL_US).ok(),
        ..bare_shot(serial.clone(), Epoch(7), counter, tick)
    }
}
