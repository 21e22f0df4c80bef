//! Which port speaks which language.

use std::net::SocketAddr;

use meso_config::guns::{GunMatch, GunProfile};

use crate::{PortDescription, PortName};

/// A profile and the ports that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRule {
    /// The ports.
    pub matches: GunMatch,
    /// How their guns are spoken to.
    pub profile: GunProfile,
}

/// The name under which a Modbus/TCP gun is known, such as `tcp:192.168.1.20:502`.
pub(crate) fn tcp_name(address: SocketAddr) -> PortName {
    PortName::new(format!("tcp:{address}"))
}

/// The first rule for a port of this computer; `None` for a port of the meso link.
pub(crate) fn rule_for<'r>(
    rules: &'r [ProfileRule],
    port: &PortDescription,
) -> Option<&'r ProfileRule> {
    rules.iter().find(|rule| match &rule.matches {
        GunMatch::Usb {
            vendor_id,
            product_id,
        } => port
            .usb
            .as_ref()
            .is_some_and(|usb| (usb.vendor_id, usb.product_id) == (*vendor_id, *product_id)),
        GunMatch::Port(pattern) => pattern.matches(port.name.as_str()),
        _ => false,
    })
}

/// The rules for the network.
pub(crate) fn tcp_rules(rules: &[ProfileRule]) -> impl Iterator<Item = (SocketAddr, &ProfileRule)> {
    rules.iter().filter_map(|rule| match rule.matches {
        GunMatch::Tcp(address) => Some((address, rule)),
        _ => None,
    })
}
