//! The profiles of guns that do not speak the meso link: the files that the configuration names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use meso_config::TEXT_BYTES_MAX;
use meso_config::guns::{GunMatch, GunProfile, GunRule, ProfileKind};
use meso_serial::ProfileRule;

/// Reads the profile of every rule.
///
/// # Errors
///
/// Everything that is wrong with any of them, each with its file. A gun whose profile cannot be
/// read would be spoken to in the wrong language, so the caller does not go on without it.
pub(crate) fn read_profiles(rules: &[GunRule]) -> Result<Vec<ProfileRule>, Vec<String>> {
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for rule in rules {
        match read_profile(&rule.profile, &rule.matches) {
            Ok(profile) => read.push(ProfileRule {
                matches: rule.matches.clone(),
                profile,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    // One file for several rules is told once.
    problems.dedup();
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems)
    }
}

fn read_profile(path: &Path, matches: &GunMatch) -> Result<GunProfile, String> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let profile = GunProfile::parse(&name, &text).map_err(|problems| problems.to_string())?;
    let is_modbus = matches!(profile.kind, ProfileKind::Modbus(_));
    if matches!(matches, GunMatch::Tcp(_)) && !is_modbus {
        return Err(format!(
            "{name} is for a rule with tcp, and only a profile of kind \"modbus\" works over it"
        ));
    }
    Ok(profile)
}

/// The text of a file, up to one byte more than a profile may have: the parser refuses that.
fn read_text(path: &Path) -> std::io::Result<String> {
    let bytes_max = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use meso_config::DriverConfig;

    use super::*;

    fn rules(lines: &str) -> Vec<GunRule> {
        let text = format!(
            "version = 1\n[driver]\nid = \"room\"\nclinic = \"clinic\"\ntime_zone = \"UTC\"\n\
             data_dir = \"data\"\n{lines}"
        );
        DriverConfig::parse("driver.toml", &text).unwrap().guns
    }

    fn example(name: &str) -> PathBuf {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/guns");
        Path::new(folder).join(name)
    }

    fn rule(name: &str, matches: &str) -> String {
        format!("[[guns]]\nprofile = {:?}\n{matches}\n", example(name))
    }

    #[test]
    fn the_examples_can_be_used() {
        let lines = rule("example-modbus.toml", "tcp = \"127.0.0.1:502\"")
            + &rule("example-text-line.toml", "usb = \"0403:6001\"")
            + &rule("example-native.toml", "port = \"usb-*\"");
        let read = read_profiles(&rules(&lines)).unwrap();
        let names: Vec<&str> = read.iter().map(|rule| rule.profile.name.as_str()).collect();
        assert_eq!(names, ["example-modbus", "example-text", "example-native"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_file() {
        let lines = rule("example-text-line.toml", "tcp = \"127.0.0.1:502\"")
            + &rule("no-such-file.toml", "port = \"usb-*\"")
            + &rule("README.md", "port = \"tty*\"");
        let problems = read_profiles(&rules(&lines)).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems[0].contains("only a profile of kind"),
            "{}",
            problems[0]
        );
        assert!(
            problems[1].contains("no-such-file.toml cannot be read"),
            "{}",
            problems[1]
        );
        assert!(problems[2].contains("README.md has"), "{}", problems[2]);
    }
}
