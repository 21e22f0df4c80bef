//! One trigger of one gun.

use core::fmt;

use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, SegmentId, ShotCounter, ShotsPerMinute, Timestamp,
    Uncertainty,
};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded};
use crate::quantity::{Field, Quantity, Sourced};

/// Who a shot is: never a time, never a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShotIdentity {
    /// The gun.
    pub gun: GunSerial,
    /// The run of unbroken counters.
    pub epoch: Epoch,
    /// The number within the epoch; the first is 1.
    pub counter: ShotCounter,
}

impl fmt::Display for ShotIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "shot {} of gun {} (epoch {:016x})",
            self.counter,
            self.gun,
            self.epoch.get()
        )
    }
}

/// What a shot was fired for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Into a patient; the only purpose that counts toward patient limits.
    Patient,
    /// To fill tube and needle before a treatment.
    Prime,
    /// To try the gun.
    Test,
    /// To clean it.
    Cleaning,
    /// To calibrate it.
    Calibration,
}

coded!(Purpose, "purpose",
    Patient = 1, "patient";
    Prime = 2, "prime";
    Test = 3, "test";
    Cleaning = 4, "cleaning";
    Calibration = 5, "calibration";
);

/// Who decided what a shot was fired for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PurposeDecidedBy {
    /// The gun said so.
    Gun,
    /// A rule of the driver.
    DriverRule,
    /// A person.
    Operator,
}

coded!(PurposeDecidedBy, "purpose decided by",
    Gun = 1, "gun";
    DriverRule = 2, "driver rule";
    Operator = 3, "operator";
);

/// What the gun reported as out of order for one shot: a set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShotFlags(u16);

impl ShotFlags {
    /// Nothing out of order.
    pub const NONE: ShotFlags = ShotFlags(0);
    /// Nothing or too little was delivered.
    pub const FAILED_INJECTION: ShotFlags = ShotFlags(1);
    /// The line was occluded.
    pub const OCCLUSION: ShotFlags = ShotFlags(1 << 1);
    /// Fired dry on purpose.
    pub const DRY: ShotFlags = ShotFlags(1 << 2);
    /// Air in the line.
    pub const AIR: ShotFlags = ShotFlags(1 << 3);
    /// The vacuum was out of its window.
    pub const VACUUM_OUT_OF_WINDOW: ShotFlags = ShotFlags(1 << 4);
    /// At least one needle of the head was blocked.
    pub const NEEDLE_BLOCKED: ShotFlags = ShotFlags(1 << 5);

    const NAMES: [(ShotFlags, &'static str); 6] = [
        (ShotFlags::FAILED_INJECTION, "failed injection"),
        (ShotFlags::OCCLUSION, "occlusion"),
        (ShotFlags::DRY, "dry"),
        (ShotFlags::AIR, "air"),
        (ShotFlags::VACUUM_OUT_OF_WINDOW, "vacuum out of window"),
        (ShotFlags::NEEDLE_BLOCKED, "needle blocked"),
    ];

    /// Reads the bits.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::UnknownCode`] for a bit without a meaning.
    pub fn from_bits(bits: u16) -> Result<ShotFlags, CanonicalError> {
        if bits >= 1 << ShotFlags::NAMES.len() {
            return Err(CanonicalError::UnknownCode {
                field: "shot flags",
                code: bits.into(),
            });
        }
        Ok(ShotFlags(bits))
    }

    /// The bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: ShotFlags) -> ShotFlags {
        ShotFlags(self.0 | other.0)
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: ShotFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ShotFlags::NAMES
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, n)| n)
    }
}

/// A shot whose fields contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShotError {
    /// More in one trigger than the largest syringe holds.
    #[error("volume of one trigger {volume_nl} nl is above the largest syringe, {max_nl} nl")]
    VolumeAboveSyringe {
        /// The volume claimed.
        volume_nl: u64,
        /// The largest possible.
        max_nl: u64,
    },
    /// Counters begin with 1.
    #[error("shot counter 0 is not a counter: the first shot of an epoch is 1")]
    CounterZero,
}

/// One trigger: the record that everything else serves. All fields are sealed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shot {
    /// Who it is.
    pub identity: ShotIdentity,
    /// When, in UTC, as the driver mapped it; assigned once.
    pub at: Timestamp,
    /// How far [`Shot::at`] may be off.
    pub uncertainty: Uncertainty,
    /// The stretch of the driver's clock.
    pub clock_segment: ClockSegment,
    /// When, on the gun's own clock.
    pub gun_tick: GunTick,
    /// Travel of the needle.
    pub needle_depth: Quantity<Micrometres>,
    /// Volume of this trigger, all needles together.
    pub volume: Quantity<Nanolitres>,
    /// Time since the last trigger on the gun's clock; `None` for the first since its start.
    pub interval: Option<Microseconds>,
    /// The shot rate that the gun was set to.
    pub frequency_set: Option<ShotsPerMinute>,
    /// How many needles worked; points = shots × working needles.
    pub needles_working: Option<Sourced<NeedleCount>>,
    /// Vacuum (negative) or pressure at the head.
    pub pressure: Option<GaugePascals>,
    /// What the gun reported as out of order.
    pub flags: ShotFlags,
    /// What it was fired for.
    pub purpose: Purpose,
    /// Who decided that.
    pub purpose_decided_by: PurposeDecidedBy,
    /// The segment of a session that it belongs to, if any.
    pub segment: Option<SegmentId>,
    /// The release of the protocol library in force in the room.
    pub library: Option<LibraryVersion>,
}

impl Shot {
    /// The most that one trigger can deliver, in nl: the largest syringe in use holds 10 ml.
    pub const VOLUME_NL_MAX: u64 = 10_000_000;

    /// Checks what no single field can check.
    ///
    /// # Errors
    ///
    /// [`ShotError`] naming the contradiction.
    pub fn check(&self) -> Result<(), ShotError> {
        if self.identity.counter.get() == 0 {
            return Err(ShotError::CounterZero);
        }
        for volume in [self.volume.set, self.volume.actual_value()]
            .into_iter()
            .flatten()
        {
            if volume.get() > Shot::VOLUME_NL_MAX {
                return Err(ShotError::VolumeAboveSyringe {
                    volume_nl: volume.get(),
                    max_nl: Shot::VOLUME_NL_MAX,
                });
            }
        }
        Ok(())
    }

    /// Points that this trigger set: working needles, or one where the head does not say.
    pub fn points(&self) -> u64 {
        self.needles_working
            .as_ref()
            .map_or(1, |needles| u64::from(needles.value.get()))
    }
}

impl Canonical for Shot {
    const KIND: u8 = 1;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.identity.gun.as_str());
        encoder.u64(self.identity.epoch.get());
        encoder.u32(self.identity.counter.get());
        encoder.timestamp(self.at);
        match self.uncertainty {
            Uncertainty::Within(ns) => encoder.option(Some(&ns), |e, ns| e.u64(*ns)),
            Uncertainty::Unbounded => encoder.u8(0),
        }
        encoder.u32(self.clock_segment.0);
        encoder.u64(self.gun_tick.get());
        self.needle_depth.write(encoder);
        self.volume.write(encoder);
        encoder.option(self.interval.as_ref(), |e, v| e.u64(v.get()));
        encoder.option(self.frequency_set.as_ref(), |e, v| e.u16(v.get()));
        encoder.option(self.needles_working.as_ref(), |e, v| v.write(e));
        encoder.option(self.pressure.as_ref(), |e, v| e.i64(v.get().into()));
        encoder.u16(self.flags.bits());
        encoder.u8(self.purpose.code());
        encoder.u8(self.purpose_decided_by.code());
        encoder.option(self.segment.as_ref(), |e, v| e.fixed(v.as_bytes()));
        encoder.option(self.library.as_ref(), |e, v| e.u32(v.get()));
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Shot, CanonicalError> {
        let identity = ShotIdentity {
            gun: GunSerial::parse(decoder.text("gun")?)?,
            epoch: Epoch(decoder.u64()?),
            counter: ShotCounter(decoder.u32()?),
        };
        let shot = Shot {
            identity,
            at: decoder.timestamp()?,
            uncertainty: decoder
                .option(Decoder::u64)?
                .map_or(Uncertainty::Unbounded, Uncertainty::Within),
            clock_segment: ClockSegment(decoder.u32()?),
            gun_tick: GunTick::new(decoder.u64()?)?,
            needle_depth: Quantity::read(decoder)?,
            volume: Quantity::read(decoder)?,
            interval: decoder.option(|d| Ok(Microseconds::new(d.u64()?)?))?,
            frequency_set: decoder.option(|d| Ok(ShotsPerMinute::new(d.u16()?)?))?,
            needles_working: decoder.option(Sourced::read)?,
            pressure: decoder.option(read_pressure)?,
            flags: ShotFlags::from_bits(decoder.u16()?)?,
            purpose: Purpose::from_code(decoder.u8()?)?,
            purpose_decided_by: PurposeDecidedBy::from_code(decoder.u8()?)?,
            segment: decoder.option(|d| Ok(SegmentId::from_bytes(d.fixed()?)))?,
            library: decoder.option(|d| Ok(LibraryVersion(d.u32()?)))?,
        };
        shot.check()?;
        Ok(shot)
    }
}

fn read_pressure(decoder: &mut Decoder<'_>) -> Result<GaugePascals, CanonicalError> {
    let raw = decoder.i64()?;
    let narrow = i32::try_from(raw).map_err(|_| CanonicalError::UnknownCode {
        field: "pressure",
        code: raw.unsigned_abs(),
    })?;
    Ok(GaugePascals::new(narrow)?)
}
