//! What an emulated gun is made of when it starts.

use std::io;
use std::path::PathBuf;

use meso_link_proto::auth::NonceSeed;
use meso_link_proto::{Capabilities, GunLimits, GunSettings, GunText, LeaseLoss};
use meso_units::{BootId, Micrometres, Nanolitres};

use super::{BenchOptions, GunError, GunOptions, RING_SHOTS_MAX};

/// The folder and the name of the gun's port.
pub(super) fn port_place(
    options: &GunOptions,
    bench: &BenchOptions,
) -> Result<(PathBuf, String), GunError> {
    let Some(link) = &bench.link else {
        return Ok((options.ports_folder.clone(), options.serial.to_string()));
    };
    let folder = link
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
    match link.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok((folder, name.to_owned())),
        None => Err(GunError::Port {
            folder,
            source: io::ErrorKind::InvalidFilename.into(),
        }),
    }
}

/// A seed that no other start has.
fn nonce_seed() -> Result<NonceSeed, GunError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|source| GunError::Random { source })?;
    Ok(NonceSeed::new(seed))
}

pub(super) fn settings(
    options: &GunOptions,
    bench: &BenchOptions,
) -> Result<GunSettings, GunError> {
    Ok(GunSettings {
        serial: options.serial.clone(),
        model: GunText::new("model", "MESO-EMULATED")?,
        firmware: GunText::new("firmware", env!("CARGO_PKG_VERSION"))?,
        firmware_hash: [0; 8],
        // Information only; the process is the start of the firmware.
        boot: BootId(std::process::id()),
        boot_count: 1,
        capabilities: Capabilities::SENSES_DEPTH
            .union(Capabilities::SENSES_VOLUME)
            .union(Capabilities::KNOWS_PURPOSE)
            .union(Capabilities::CAN_INHIBIT)
            .union(Capabilities::CAN_LIMIT)
            .union(Capabilities::CAN_IDENTIFY),
        limits: GunLimits {
            depth_max: Some(Micrometres::MAX),
            volume_max: Some(Nanolitres::new(1_000_000)?),
            frequency_max: None,
        },
        lease_loss: LeaseLoss::Continue,
        ring_shots_max: RING_SHOTS_MAX,
        key: bench.key.clone(),
        nonce_seed: nonce_seed()?,
    })
}
