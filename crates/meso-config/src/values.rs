//! Values that more than one configuration uses.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use meso_units::UnitError;

use crate::reader::Section;

/// The longest path that is accepted, in bytes.
const PATH_BYTES_MAX: usize = 4_096;

/// What a loopback bind must look like.
pub(crate) const LOOPBACK_BIND: &str = "an address of this computer with a port, such as 127.0.0.1:8080 or [::1]:0; \
     others only once TLS is built";

/// The name of a time zone of the IANA database, such as `Europe/Vienna`: checked for its form,
/// 1 to 64 of `A-Z a-z 0-9 _ + - /`.
///
/// Whether the zone exists is for the caller to ask its time-zone database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimeZoneName(String);

impl TimeZoneName {
    /// The longest name, in bytes.
    pub const LENGTH_MAX: usize = 64;

    pub(crate) const ALLOWED: &'static str =
        "a time zone such as Europe/Vienna: 1 to 64 of A-Z, a-z, 0-9, _, +, - and /";

    pub(crate) fn parse(text: &str) -> Option<TimeZoneName> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte);
        let fits = (1..=TimeZoneName::LENGTH_MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(known);
        fits.then(|| TimeZoneName(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which a ledger signs its checkpoints, as C2SP checkpoints want it: 1 to 128
/// visible ASCII characters without `+`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LedgerOrigin(String);

impl LedgerOrigin {
    /// The longest origin, in bytes.
    pub const LENGTH_MAX: usize = 128;

    pub(crate) const ALLOWED: &'static str = "the name of the log, such as log.example.org/clinic: 1 to 128 visible ASCII characters \
         without +";

    pub(crate) fn parse(text: &str) -> Option<LedgerOrigin> {
        let fits = (1..=LedgerOrigin::LENGTH_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'+');
        fits.then(|| LedgerOrigin(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LedgerOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public key of a person who may sign releases of the protocol library: Ed25519, written as 64
/// lower-case hexadecimal digits.
///
/// Whether the digits are a point of the curve is for the verifier to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerKey(String);

impl SignerKey {
    const ALLOWED: &'static str = "an Ed25519 public key of 64 digits of 0-9 and a-f";

    fn parse(text: &str) -> Option<SignerKey> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fits = text.len() == 64 && text.bytes().all(is_digit);
        fits.then(|| SignerKey(text.to_owned()))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose signatures put a release of the protocol library in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryTrust {
    /// The signers, at most [`LibraryTrust::SIGNERS_MAX`], none twice; with none, no release is in
    /// force and its limits are not checkable.
    pub signers: Vec<SignerKey>,
    /// How many different signers a release needs, 1 or 2.
    pub signatures_needed: u16,
}

impl LibraryTrust {
    /// The most signers of one list; a configuration with more is refused.
    pub const SIGNERS_MAX: usize = 16;

    pub(crate) fn read(section: &Section<'_>) -> Option<LibraryTrust> {
        let signers = section.texts(
            "signers",
            LibraryTrust::SIGNERS_MAX,
            SignerKey::ALLOWED,
            SignerKey::parse,
        );
        let signatures_needed = section.whole("signatures_needed", " of signers", 1..=2, 2);
        let (signers, signatures_needed) = (signers?, signatures_needed?);
        let different: BTreeSet<_> = signers.iter().collect();
        if different.len() != signers.len() {
            section.note_not_allowed("signers", "a list with a key twice".into(), "each key once");
        }
        if !signers.is_empty() && signers.len() < usize::from(signatures_needed) {
            let allowed = format!("{signatures_needed} or more keys, or none at all");
            section.note_not_allowed("signers", format!("a list of {}", signers.len()), &allowed);
        }
        Some(LibraryTrust {
            signers,
            signatures_needed,
        })
    }
}

/// Whether a name or address is one of this computer.
pub(crate) fn is_loopback_host(text: &str) -> bool {
    text == "localhost"
        || text
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Reads a loopback address and port; port 0 lets the system choose.
pub(crate) fn loopback_bind(
    section: &Section<'_>,
    key: &'static str,
    default_port: u16,
) -> Option<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], default_port));
    section.text(key, LOOPBACK_BIND, Some(default), |text| {
        text.parse::<SocketAddr>()
            .ok()
            .filter(|address| address.ip().is_loopback())
    })
}

/// Reads the address of an HTTP server on this computer, without a path.
pub(crate) fn loopback_url(
    section: &Section<'_>,
    key: &'static str,
    default: &str,
) -> Option<String> {
    let allowed = "an address of this computer, such as http://127.0.0.1:8086; one elsewhere is \
                   reached through a tunnel that ends here, until TLS is built";
    section.text(key, allowed, Some(default.to_owned()), |text| {
        let place = text.strip_prefix("http://")?;
        let is_here = place
            .parse::<SocketAddr>()
            .is_ok_and(|at| at.ip().is_loopback())
            || match place.rsplit_once(':') {
                Some((host, port)) => host == "localhost" && port.parse::<u16>().is_ok(),
                None => is_loopback_host(place),
            };
        is_here.then(|| text.to_owned())
    })
}

/// Reads the path of a file that may be left out: an absent key and an empty text are none.
pub(crate) fn optional_file(section: &Section<'_>, key: &'static str) -> Option<Option<PathBuf>> {
    let allowed = "the path of a file, or nothing";
    section.text(key, allowed, Some(None), |text| {
        let path = (!text.is_empty()).then(|| PathBuf::from(text));
        (text.len() <= PATH_BYTES_MAX && !text.contains('\0')).then_some(path)
    })
}

/// Reads a path; `None` as default demands it.
pub(crate) fn path(
    section: &Section<'_>,
    key: &'static str,
    default: Option<&str>,
) -> Option<PathBuf> {
    let allowed = "the path of a folder, 1 to 4096 bytes";
    section.text(key, allowed, default.map(PathBuf::from), |text| {
        let fits = (1..=PATH_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
        fits.then(|| PathBuf::from(text))
    })
}

/// Reads an identifier that must be there.
pub(crate) fn identifier<T>(
    section: &Section<'_>,
    key: &'static str,
    parse: fn(&str) -> Result<T, UnitError>,
) -> Option<T> {
    // The rule is the identifier's own: the empty text is never one, and the refusal states it.
    let rule = match parse("") {
        Err(UnitError::NotAnIdentifier { rule, .. }) => rule,
        _ => "an identifier",
    };
    section.text(key, rule, None, |text| parse(text).ok())
}

/// Reads a time zone that must be there.
pub(crate) fn time_zone(section: &Section<'_>, key: &'static str) -> Option<TimeZoneName> {
    section.text(key, TimeZoneName::ALLOWED, None, TimeZoneName::parse)
}
