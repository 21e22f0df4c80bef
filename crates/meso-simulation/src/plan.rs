//! What a run is made from: a seed, a length, the faults that may come, a fault that is planted.

use std::fmt;

/// The list of runs that found something once.
const LISTED: &str = include_str!("../seeds.txt");

/// One kind of fault that the world may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// A gun loses its power, and with it ring and counter.
    GunPowerCut,
    /// A gun is carried to another room.
    GunCarried,
    /// A cable is pulled, and plugged in again later.
    Unplugged,
    /// A line loses bytes and spoils them.
    LineNoise,
    /// A driver is killed at any point, and started again.
    DriverKilled,
    /// The disk of a driver dies; another computer takes over under its name.
    DriverReplaced,
    /// A computer's clock is set forward or back.
    ClockStep,
    /// A driver loses its connection to the broker.
    Disconnected,
    /// The broker brings messages out of order.
    Reordered,
    /// The broker brings messages twice.
    Repeated,
    /// The broker's queue is full: it drops what it has acknowledged.
    QueueOverflow,
    /// The broker forgets its sessions, and sometimes what it retains.
    BrokerForgets,
    /// The ingest is killed at any point, and started again.
    IngestKilled,
    /// A write of the store fails, or only says so.
    StoreWriteFails,
    /// The store is put back from a backup.
    StoreRestored,
    /// A journal forgets settled blocks that the newest backup holds.
    JournalPruned,
    /// A journal is put back from a backup, and its driver gives block numbers a second time.
    JournalRestored,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 17] = [
        Fault::GunPowerCut,
        Fault::GunCarried,
        Fault::Unplugged,
        Fault::LineNoise,
        Fault::DriverKilled,
        Fault::DriverReplaced,
        Fault::ClockStep,
        Fault::Disconnected,
        Fault::Reordered,
        Fault::Repeated,
        Fault::QueueOverflow,
        Fault::BrokerForgets,
        Fault::IngestKilled,
        Fault::StoreWriteFails,
        Fault::StoreRestored,
        Fault::JournalPruned,
        Fault::JournalRestored,
    ];

    /// Kinds that share the dice of fate. Those beyond have dice of their own, so that the runs in
    /// the list of seeds stay what they were.
    pub(crate) const SHARING_COUNT: usize = 16;

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::GunPowerCut => "gun-power-cut",
            Fault::GunCarried => "gun-carried",
            Fault::Unplugged => "unplugged",
            Fault::LineNoise => "line-noise",
            Fault::DriverKilled => "driver-killed",
            Fault::DriverReplaced => "driver-replaced",
            Fault::ClockStep => "clock-step",
            Fault::Disconnected => "disconnected",
            Fault::Reordered => "reordered",
            Fault::Repeated => "repeated",
            Fault::QueueOverflow => "queue-overflow",
            Fault::BrokerForgets => "broker-forgets",
            Fault::IngestKilled => "ingest-killed",
            Fault::StoreWriteFails => "store-write-fails",
            Fault::StoreRestored => "store-restored",
            Fault::JournalPruned => "journal-pruned",
            Fault::JournalRestored => "journal-restored",
        }
    }
}

/// A set of [`Fault`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultSet(u32);

impl FaultSet {
    /// None.
    pub const NONE: FaultSet = FaultSet(0);
    /// All.
    pub const ALL: FaultSet = FaultSet((1 << Fault::ALL.len()) - 1);

    /// Whether it has this one.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// The same with this one.
    #[must_use]
    pub const fn with(self, fault: Fault) -> FaultSet {
        FaultSet(self.0 | 1 << fault as u32)
    }

    /// The same without this one.
    #[must_use]
    pub const fn without(self, fault: Fault) -> FaultSet {
        FaultSet(self.0 & !(1 << fault as u32))
    }

    /// What both have.
    #[must_use]
    pub const fn and(self, other: FaultSet) -> FaultSet {
        FaultSet(self.0 & other.0)
    }

    /// Those that it has.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }

    /// Reads names with commas between them, or `none`, as it is printed.
    ///
    /// # Errors
    ///
    /// The name that is none.
    pub fn parse(text: &str) -> Result<FaultSet, String> {
        let mut set = FaultSet::NONE;
        for name in text.split(',').filter(|name| *name != "none") {
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            set = set.with(fault.ok_or_else(|| name.to_owned())?);
        }
        Ok(set)
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == FaultSet::NONE {
            return f.write_str("none");
        }
        let names: Vec<_> = self.iter().map(Fault::name).collect();
        f.write_str(&names.join(","))
    }
}

/// A mistake that somebody could have made in the delivery path, to show that it would be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The driver acknowledges shots to the gun before its journal is on the disk.
    AcknowledgeBeforeFsync,
    /// The ingest says the watermark before the ledger has the blocks.
    WatermarkBeforeLedger,
    /// The store takes a shot that is not later than the newest of its gun for a duplicate.
    DeduplicateByTime,
    /// The driver takes the broker's acknowledgement for the ingest's.
    TrustPuback,
    /// What was stored and not logged when the ingest was killed is never logged.
    SkipLedger,
    /// Every gun is given the same epoch.
    ReuseEpoch,
    /// The driver takes a watermark by its numbers, whatever blocks they mean.
    TrustNumbers,
    /// The ingest does not expect that the store's disk fails.
    PanicWhenStoreFails,
}

impl Plant {
    /// Every one.
    pub const ALL: [Plant; 8] = [
        Plant::AcknowledgeBeforeFsync,
        Plant::WatermarkBeforeLedger,
        Plant::DeduplicateByTime,
        Plant::TrustPuback,
        Plant::SkipLedger,
        Plant::ReuseEpoch,
        Plant::TrustNumbers,
        Plant::PanicWhenStoreFails,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Plant::AcknowledgeBeforeFsync => "acknowledge-before-fsync",
            Plant::WatermarkBeforeLedger => "watermark-before-ledger",
            Plant::DeduplicateByTime => "deduplicate-by-time",
            Plant::TrustPuback => "trust-puback",
            Plant::SkipLedger => "skip-ledger",
            Plant::ReuseEpoch => "reuse-epoch",
            Plant::TrustNumbers => "trust-numbers",
            Plant::PanicWhenStoreFails => "panic-when-store-fails",
        }
    }
}

/// What one run is made from; the same plan gives the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many steps the scheduler takes before everything is let come to rest.
    pub steps: u64,
    /// The faults that may come; the seed chooses among them.
    pub faults: FaultSet,
    /// A mistake, if one is planted.
    pub plant: Option<Plant>,
}

impl Plan {
    /// A sound run with every kind of fault.
    pub const fn new(seed: u64, steps: u64) -> Plan {
        Plan {
            seed,
            steps,
            faults: FaultSet::ALL,
            plant: None,
        }
    }

    /// The runs that have found something once, from the list that always runs.
    ///
    /// # Errors
    ///
    /// The line that cannot be read.
    pub fn listed() -> Result<Vec<Plan>, String> {
        let lines = LISTED.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Plan::read_listed).collect()
    }

    /// Its line in the list of runs that always run.
    pub fn listed_line(&self) -> String {
        let faults = match self.faults {
            FaultSet::ALL => "all".to_owned(),
            some => some.to_string(),
        };
        format!("{} {} {faults}", self.seed, self.steps)
    }

    fn read_listed(line: &str) -> Result<Plan, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [seed, steps, faults] = words[..] else {
            return Err(format!("{line:?} is not a seed, steps and faults"));
        };
        let number = |word: &str| word.parse().map_err(|_| line.to_owned());
        let faults = match faults {
            "all" => FaultSet::ALL,
            names => FaultSet::parse(names)?,
        };
        Ok(Plan {
            faults,
            ..Plan::new(number(seed)?, number(steps)?)
        })
    }

    /// The command that repeats it.
    pub fn command(&self) -> String {
        let mut command = format!(
            "cargo xtask simulate --seed {} --steps {}",
            self.seed, self.steps
        );
        if self.faults != FaultSet::ALL {
            command.push_str(&format!(" --faults {}", self.faults));
        }
        if let Some(plant) = self.plant {
            command.push_str(&format!(" --plant {}", plant.name()));
        }
        command
    }
}
