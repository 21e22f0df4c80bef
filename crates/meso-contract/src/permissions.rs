//! Who may publish and read which topics; everything else is denied.
//!
//! A broker that is not ours is told so by a file: [`mosquitto_acl`] writes Mosquitto's.

use meso_units::{ClinicId, DriverId};

use crate::topics;

/// The user name of the ingest at the broker.
pub const INGEST_USER: &str = "mesofleet-ingest";

/// What one may do with the topics of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Subscribe to them.
    Read,
    /// Publish to them.
    Write,
}

/// One thing that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// What.
    pub access: Access,
    /// With which topics.
    pub filter: String,
}

impl Permission {
    fn read(filter: String) -> Permission {
        let access = Access::Read;
        Permission { access, filter }
    }

    fn write(filter: String) -> Permission {
        let access = Access::Write;
        Permission { access, filter }
    }
}

/// The user name of a driver at the broker. No identifier has a dot, so no two drivers share one.
pub fn driver_user(clinic: &ClinicId, driver: &DriverId) -> String {
    format!("{clinic}.{driver}")
}

/// What a driver may do: write under its own clinic and name, and read what is meant for it.
pub fn of_driver(clinic: &ClinicId, driver: &DriverId) -> Vec<Permission> {
    let own = format!("{}/{clinic}/{driver}", topics::PREFIX);
    vec![
        Permission::write(format!("{own}/blocks/+/+")),
        Permission::write(format!("{own}/held/+")),
        Permission::write(format!("{own}/guns/+")),
        // The links that it made itself, and nobody else's.
        Permission::write(format!("{own}/links/+")),
        Permission::write(topics::status(clinic, driver)),
        Permission::write(topics::successor(clinic, driver)),
        Permission::read(topics::watermark_filter(clinic, driver)),
        Permission::read(topics::wanted_filter(clinic, driver)),
        Permission::read(topics::library(clinic)),
        Permission::read(topics::alerts_filter(clinic)),
        Permission::read(topics::patients_filter(clinic)),
        Permission::read(topics::links_filter(clinic)),
        // What it asks before it takes another computer's place.
        Permission::read(topics::status(clinic, driver)),
        Permission::read(topics::successor(clinic, driver)),
    ]
}

/// What the ingest may do, for the drivers of every clinic.
pub fn of_ingest() -> Vec<Permission> {
    let prefix = topics::PREFIX;
    vec![
        Permission::read(format!("{prefix}/+/+/blocks/+/+")),
        Permission::read(topics::held_filter()),
        Permission::read(topics::gun_filter()),
        Permission::read(topics::status_filter()),
        Permission::write(format!("{prefix}/+/+/watermark/+")),
        Permission::write(format!("{prefix}/+/+/wanted/+")),
        Permission::write(format!("{prefix}/+/library")),
        Permission::write(format!("{prefix}/+/alerts/+")),
        Permission::write(format!("{prefix}/+/patients/+")),
    ]
}

/// The text of Mosquitto's `acl_file`: the ingest, and these drivers. With it Mosquitto denies
/// whatever is not named.
pub fn mosquitto_acl(drivers: &[(ClinicId, DriverId)]) -> String {
    let mut text = "\
# Who may publish and read which topics. Whoever and whatever is not named here is denied.
# Written by: mesofleet broker acl --driver CLINIC/DRIVER ...
# After a change: kill -HUP the broker, which reads it again.
"
    .to_owned();
    let mut user = |name: &str, permissions: Vec<Permission>| {
        text.push_str(&format!("\nuser {name}\n"));
        for Permission { access, filter } in permissions {
            let access = match access {
                Access::Read => "read",
                Access::Write => "write",
            };
            text.push_str(&format!("topic {access} {filter}\n"));
        }
    };
    user(INGEST_USER, of_ingest());
    for (clinic, driver) in drivers {
        user(&driver_user(clinic, driver), of_driver(clinic, driver));
    }
    text
}
