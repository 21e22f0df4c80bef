//! The profile of a kind of gun: which language its port speaks, and where in it what stands.
//!
//! A profile is a file of its own, one per make of gun; a driver's configuration says with
//! [`GunRule`] which ports it is for. A port that no rule names speaks the meso link.

mod decimal;
mod modbus;
mod text_line;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::problem::Problems;
use crate::reader::{self, Section};
use crate::values;

pub use decimal::{Quantity, exact_steps};
pub use modbus::{
    CounterLife, InhibitPlace, ModbusProfile, NumberField, RecordLayout, RegisterMap, Registers,
    TableKind, WindowLayout, WordOrder,
};
pub use text_line::{
    Capture, DecimalMark, LineEnding, LineKind, LinePattern, LineRule, PATTERN_BYTES_MAX,
    SerialFrom, TextLineProfile,
};

/// The most rules of one driver; a configuration with more is refused.
pub const GUN_RULES_MAX: usize = 32;

/// How the guns of one make are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GunProfile {
    /// What people call the make: 1 to 16 of `A-Z a-z 0-9 -`.
    pub name: String,
    /// How its serial line is set, where it has one.
    pub line: LineSettings,
    /// Its language.
    pub kind: ProfileKind,
}

/// A language.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileKind {
    /// The meso link.
    Native,
    /// Registers that the host reads and writes.
    Modbus(Box<ModbusProfile>),
    /// Lines of text that only the gun sends.
    TextLine(Box<TextLineProfile>),
}

/// How a serial line is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineSettings {
    /// Baud rate, 1200 to 3000000.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// Data bits, 7 or 8.
    pub data_bits: u8,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
}

impl LineSettings {
    /// What the meso link runs at: 115 200 baud, 8N1.
    pub const NATIVE: LineSettings = LineSettings {
        baud: 115_200,
        parity: Parity::None,
        data_bits: 8,
        stop_bits: 1,
    };
}

/// A parity bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// There is none.
    None,
    /// It makes the ones even.
    Even,
    /// It makes the ones odd.
    Odd,
}

/// Which ports a profile is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GunRule {
    /// The file of the profile; a relative one starts at the working folder of the
    /// process.
    pub profile: PathBuf,
    /// The ports.
    pub matches: GunMatch,
}

/// What a port must be for a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GunMatch {
    /// A USB device of this vendor and product number.
    Usb {
        /// Vendor number.
        vendor_id: u16,
        /// Product number.
        product_id: u16,
    },
    /// A port whose name is so, where `*` stands for any text.
    Port(PortPattern),
    /// No port of this computer but a Modbus/TCP server.
    Tcp(SocketAddr),
}

/// A pattern of a port's name: `*` stands for any text, all else for itself; 1 to 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPattern(String);

impl PortPattern {
    const LENGTH_MAX: usize = 256;

    /// Reads a pattern; `None` where it is empty or too long.
    pub fn parse(text: &str) -> Option<PortPattern> {
        (1..=PortPattern::LENGTH_MAX)
            .contains(&text.len())
            .then(|| PortPattern(text.to_owned()))
    }

    /// Whether a name is so.
    ///
    /// ```
    /// # use meso_config::guns::PortPattern;
    /// let pattern = PortPattern::parse("usb-Example_*-if00").unwrap();
    /// assert!(pattern.matches("usb-Example_Gun_17-if00"));
    /// assert!(!pattern.matches("usb-Other_Gun_17-if00"));
    /// ```
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else {
            return rest.is_empty();
        };
        for piece in pieces {
            let Some(place) = rest.find(piece) else {
                return false;
            };
            rest = &rest[place + piece.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for PortPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl GunProfile {
    /// The meso link as it is published.
    pub fn native() -> GunProfile {
        GunProfile {
            name: "meso-link".to_owned(),
            line: LineSettings::NATIVE,
            kind: ProfileKind::Native,
        }
    }

    /// Reads a profile; `file_name` is only for the messages.
    ///
    /// # Errors
    ///
    /// [`Problems`] with everything that is wrong, not only the first.
    pub fn parse(file_name: &str, text: &str) -> Result<GunProfile, Problems> {
        reader::read(file_name, text, |root| {
            let name = root.text("name", NAME_ALLOWED, None, profile_name);
            let kind = choice(
                root,
                "kind",
                &[
                    ("native", Kind::Native),
                    ("modbus", Kind::Modbus),
                    ("text-line", Kind::TextLine),
                ],
                None,
            );
            let line = root.section("line", LineSettings::read);
            let kind = match kind? {
                Kind::Native => Some(ProfileKind::Native),
                Kind::Modbus => {
                    ModbusProfile::read(root).map(|profile| ProfileKind::Modbus(Box::new(profile)))
                }
                Kind::TextLine => TextLineProfile::read(root)
                    .map(|profile| ProfileKind::TextLine(Box::new(profile))),
            };
            Some(GunProfile {
                name: name?,
                line: line?,
                kind: kind?,
            })
        })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Native,
    Modbus,
    TextLine,
}

const NAME_ALLOWED: &str = "the make of the gun: 1 to 16 of A-Z, a-z, 0-9 and -";

fn profile_name(text: &str) -> Option<String> {
    let fits = (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fits.then(|| text.to_owned())
}

impl LineSettings {
    fn read(section: &Section<'_>) -> Option<LineSettings> {
        let native = LineSettings::NATIVE;
        let baud = section.number("baud", 1_200..=3_000_000, Some(native.baud));
        let parity = choice(
            section,
            "parity",
            &[
                ("none", Parity::None),
                ("even", Parity::Even),
                ("odd", Parity::Odd),
            ],
            Some(native.parity),
        );
        let data_bits = section.number("data_bits", 7..=8, Some(native.data_bits));
        let stop_bits = section.number("stop_bits", 1..=2, Some(native.stop_bits));
        Some(LineSettings {
            baud: baud?,
            parity: parity?,
            data_bits: data_bits?,
            stop_bits: stop_bits?,
        })
    }
}

impl GunRule {
    /// Reads one of the sections `[[guns]]` of a driver's configuration.
    pub(crate) fn read(section: &Section<'_>) -> Option<GunRule> {
        let profile = values::path(section, "profile", None);
        let usb = section.optional_text("usb", USB_ALLOWED, usb_id);
        let port = section.optional_text("port", PORT_ALLOWED, PortPattern::parse);
        let tcp = section.optional_text("tcp", TCP_ALLOWED, local_address);
        let mut given = [
            usb?.map(|(vendor_id, product_id)| GunMatch::Usb {
                vendor_id,
                product_id,
            }),
            port?.map(GunMatch::Port),
            tcp?.map(GunMatch::Tcp),
        ]
        .into_iter()
        .flatten();
        let Some(matches) = given.next() else {
            section.note_missing("usb", "one of usb, port and tcp");
            return None;
        };
        if given.next().is_some() {
            for key in ["usb", "port", "tcp"] {
                section.forbid(key, "only one of usb, port and tcp");
            }
            return None;
        }
        Some(GunRule {
            profile: profile?,
            matches,
        })
    }
}

const USB_ALLOWED: &str =
    "vendor and product number of a USB device, four hexadecimal digits each, such as 0403:6001";
const PORT_ALLOWED: &str = "the name of a port, 1 to 256 bytes, where * stands for any text";
const TCP_ALLOWED: &str = "a numeric address of the local network with a port, such as \
     192.168.1.20:502: Modbus has neither encryption nor sign-in";

fn usb_id(text: &str) -> Option<(u16, u16)> {
    let number = |digits: &str| {
        let fits = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let (vendor, product) = text.split_once(':')?;
    Some((number(vendor)?, number(product)?))
}

/// An address that no router of the internet forwards to.
fn local_address(text: &str) -> Option<SocketAddr> {
    let address: SocketAddr = text.parse().ok()?;
    let is_local = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    (is_local && address.port() != 0).then_some(address)
}

/// Reads one of a few words.
fn choice<T: Copy>(
    section: &Section<'_>,
    key: &'static str,
    words: &[(&str, T)],
    default: Option<T>,
) -> Option<T> {
    let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    section.text(
        key,
        &format!("one of {}", allowed.join(", ")),
        default,
        |text| {
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
        },
    )
}

#[cfg(test)]
mod tests;
