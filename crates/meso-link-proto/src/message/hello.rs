//! The greeting, from either side.

use alloc::string::{String, ToString};
use core::fmt;

use meso_units::{BootId, Epoch, GunSerial, GunTick, Micrometres, Nanolitres, ShotsPerMinute};

use super::{Inventory, RejectReason, flag, host_session};
use crate::LinkError;
use crate::wire::{Reader, TEXT_BYTES, Writer};

/// A short text of a gun, such as its model: 1 to 16 bytes of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GunText(String);

impl GunText {
    /// Checks the text and wraps it; `field` names it in the error.
    ///
    /// # Errors
    ///
    /// [`LinkError::TextUnfit`] for empty, too long or unprintable text.
    pub fn new(field: &'static str, text: &str) -> Result<GunText, LinkError> {
        let fits = !text.is_empty()
            && text.len() <= TEXT_BYTES
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !fits {
            let text = text.chars().take(64).collect();
            return Err(LinkError::TextUnfit {
                field,
                text,
                length_max: TEXT_BYTES,
            });
        }
        Ok(GunText(text.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GunText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the gun can do; bits without a name here are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// It senses the needle depth.
    pub const SENSES_DEPTH: Capabilities = Capabilities(1 << 0);
    /// It senses the volume.
    pub const SENSES_VOLUME: Capabilities = Capabilities(1 << 1);
    /// It senses vacuum or pressure.
    pub const SENSES_PRESSURE: Capabilities = Capabilities(1 << 2);
    /// It tells primes from treatment by itself.
    pub const KNOWS_PURPOSE: Capabilities = Capabilities(1 << 3);
    /// Its ring outlives a power cut.
    pub const DURABLE_RING: Capabilities = Capabilities(1 << 4);
    /// It obeys inhibit and resume.
    pub const CAN_INHIBIT: Capabilities = Capabilities(1 << 5);
    /// It holds a key: all its sessions are authenticated.
    pub const HOLDS_KEY: Capabilities = Capabilities(1 << 6);
    /// It enforces limits that the host sets.
    pub const CAN_LIMIT: Capabilities = Capabilities(1 << 7);
    /// It can blink or beep when asked who it is.
    pub const CAN_IDENTIFY: Capabilities = Capabilities(1 << 8);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits that are not in `other`.
    pub const fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    /// Both sets of bits together.
    pub const fn union(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }
}

/// The limits that the gun itself enforces, or is to enforce; absent where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GunLimits {
    /// The deepest that the needle may be set.
    pub depth_max: Option<Micrometres>,
    /// The most of one trigger.
    pub volume_max: Option<Nanolitres>,
    /// The fastest rate that may be set.
    pub frequency_max: Option<ShotsPerMinute>,
}

/// What the gun does when it has not heard its host for the length of the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseLoss {
    /// It goes on and keeps the shots for later.
    #[default]
    Continue,
    /// It fires no more until a host greets it.
    Inhibit,
}

impl LeaseLoss {
    pub(super) fn code(self) -> u8 {
        match self {
            LeaseLoss::Continue => 0,
            LeaseLoss::Inhibit => 1,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<LeaseLoss, RejectReason> {
        match reader.u8()? {
            0 => Ok(LeaseLoss::Continue),
            1 => Ok(LeaseLoss::Inhibit),
            other => Err(RejectReason::UnknownCode {
                field: "lease_loss",
                code: u32::from(other),
            }),
        }
    }
}

/// What a gun says of itself at the greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The oldest link version that it speaks.
    pub protocol_min: u8,
    /// The newest link version that it speaks.
    pub protocol_max: u8,
    /// The schema number of its newest version.
    pub schema: u32,
    /// The host session that it answers; 0 where it speaks unasked.
    pub session: u32,
    /// Its serial number: the identity of the gun.
    pub serial: GunSerial,
    /// Its model.
    pub model: GunText,
    /// Its firmware version.
    pub firmware: GunText,
    /// The first bytes of its firmware's hash.
    pub firmware_hash: [u8; 8],
    /// This start of its firmware.
    pub boot: BootId,
    /// How often it started in its life.
    pub boot_count: u32,
    /// What its ring holds, and of which epoch.
    pub inventory: Inventory,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it enforces itself.
    pub limits: GunLimits,
    /// How long it waits for its host, in milliseconds.
    pub lease_ms: u16,
    /// What it does then.
    pub lease_loss: LeaseLoss,
    /// Whether it is inhibited now.
    pub is_inhibited: bool,
    /// The number of its latest inhibition; a resume must name it.
    pub inhibit_number: u32,
    /// Its clock when it sent this.
    pub tick: GunTick,
    /// Its random number for this session; zeros where it holds no key or speaks unasked.
    pub nonce: [u8; 16],
}

impl Hello {
    /// The epoch that the gun can prove to continue; `None` asks the host for one.
    pub fn epoch(&self) -> Option<Epoch> {
        self.inventory.epoch
    }

    pub(super) fn write(&self, writer: Writer) -> Writer {
        let writer = writer
            .u8(self.protocol_min)
            .u8(self.protocol_max)
            .u32(self.schema)
            .u32(self.session)
            .text(self.serial.as_str())
            .text(self.model.as_str())
            .text(self.firmware.as_str())
            .raw(&self.firmware_hash)
            .u32(self.boot.get())
            .u32(self.boot_count);
        let writer = self.inventory.write(writer).u32(self.capabilities.0);
        self.limits
            .write(writer)
            .u16(self.lease_ms)
            .u8(self.lease_loss.code())
            .u8(u8::from(self.is_inhibited))
            .u32(self.inhibit_number)
            .u64(self.tick.get())
            .raw(&self.nonce)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Hello, RejectReason> {
        Ok(Hello {
            protocol_min: reader.u8()?,
            protocol_max: reader.u8()?,
            schema: reader.u32()?,
            session: reader.u32()?,
            serial: GunSerial::parse(&reader.text("serial")?).map_err(|source| {
                RejectReason::Impossible {
                    field: "serial",
                    source,
                }
            })?,
            model: GunText(reader.text("model")?),
            firmware: GunText(reader.text("firmware")?),
            firmware_hash: reader.array()?,
            boot: BootId(reader.u32()?),
            boot_count: reader.u32()?,
            inventory: Inventory::read(reader)?,
            capabilities: Capabilities(reader.u32()?),
            limits: GunLimits::read(reader)?,
            lease_ms: reader.u16()?,
            lease_loss: LeaseLoss::read(reader)?,
            is_inhibited: flag("inhibited", reader.u8()?)?,
            inhibit_number: reader.u32()?,
            tick: GunTick::new(reader.u64()?).map_err(|source| RejectReason::Impossible {
                field: "tick_us",
                source,
            })?,
            nonce: reader.array()?,
        })
    }
}

impl GunLimits {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let volume_max = self
            .volume_max
            .map_or(0, |nl| u32::try_from(nl.get()).unwrap_or(u32::MAX));
        writer
            .u32(self.depth_max.map_or(0, Micrometres::get))
            .u32(volume_max)
            .u16(self.frequency_max.map_or(0, ShotsPerMinute::get))
    }

    /// Zero on the wire means that there is no such limit.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<GunLimits, RejectReason> {
        let impossible = |field| move |source| RejectReason::Impossible { field, source };
        let depth_max_um = reader.u32()?;
        let volume_max_nl = reader.u32()?;
        let frequency_max_spm = reader.u16()?;
        Ok(GunLimits {
            depth_max: match depth_max_um {
                0 => None,
                um => Some(Micrometres::new(um).map_err(impossible("depth_max_um"))?),
            },
            volume_max: match volume_max_nl {
                0 => None,
                nl => Some(Nanolitres::new(u64::from(nl)).map_err(impossible("volume_max_nl"))?),
            },
            frequency_max: match frequency_max_spm {
                0 => None,
                spm => Some(ShotsPerMinute::new(spm).map_err(impossible("frequency_max_spm"))?),
            },
        })
    }
}

/// What a host says at the greeting; it takes the gun's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostHello {
    /// The oldest link version that it speaks.
    pub protocol_min: u8,
    /// The newest link version that it speaks.
    pub protocol_max: u8,
    /// The schema number of its newest version.
    pub schema: u32,
    /// A random number for this opening of the port; never 0.
    pub session: u32,
    /// The host's part of the session key; zeros where it holds no keys.
    pub nonce: [u8; 16],
}

impl HostHello {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u8(self.protocol_min)
            .u8(self.protocol_max)
            .u32(self.schema)
            .u32(self.session)
            .raw(&self.nonce)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<HostHello, RejectReason> {
        Ok(HostHello {
            protocol_min: reader.u8()?,
            protocol_max: reader.u8()?,
            schema: reader.u32()?,
            session: host_session(reader)?,
            nonce: reader.array()?,
        })
    }
}
