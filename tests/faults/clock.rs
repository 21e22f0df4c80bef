//! A computer whose clock nothing has set since its start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use meso_tests::sandbox::{Driver, Sandbox, wait_until};
use meso_units::Uncertainty;

use crate::scene::{FAST, Scene, gun, programs};

/// A computer of tests has no time service, so its answer comes from a file.
fn answer(folder: &Path, text: &str) {
    let part = folder.join("part");
    fs::write(&part, text).unwrap();
    fs::rename(&part, folder.join("answer")).unwrap();
}

fn time_service_in(folder: &Path) -> Vec<(String, String)> {
    let program = folder.join("timedatectl");
    fs::write(&program, "#!/bin/sh\nexec cat \"${0%/*}/answer\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.display());
    vec![("PATH".to_owned(), path)]
}

fn wait_for_state(driver: &Driver, what: &str, is_so: impl Fn(bool, u64) -> bool) {
    wait_until(what, || {
        let state = driver.state();
        state.is_some_and(|state| {
            let clock = state.guns.first().and_then(|gun| gun.clock.as_ref());
            is_so(
                state.clock_trusted,
                clock.map_or(u64::MAX, |it| it.uncertainty_ns),
            )
        })
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}

#[test]
fn times_have_no_bound_until_a_time_service_has_set_the_clock() {
    let sandbox = Sandbox::start(programs()).unwrap();
    let tools = sandbox.folder("tools").unwrap();
    answer(&tools, "no");
    let mut options = sandbox.driver_options("room-1").unwrap();
    options.clock_trusted_after = "time-service";
    options.environment = time_service_in(&tools);
    let scene = Scene::start_with(sandbox, options, gun(FAST), |_| {});
    scene.wait_for_more(5);
    wait_for_state(
        &scene.driver,
        "the clock is not trusted",
        |is_trusted, _| !is_trusted,
    );

    answer(&tools, "yes");
    wait_for_state(
        &scene.driver,
        "the clock is trusted",
        |is_trusted, within| is_trusted && within < u64::MAX,
    );
    scene.wait_for_more(5);
    let outcome = scene.finish();
    outcome.assert_whole();
    let is_bounded = |counter: u32| {
        let mut shots = outcome.stored.shots.iter();
        let shot = shots.find(|it| it.identity.counter.get() == counter);
        matches!(shot.unwrap().uncertainty, Uncertainty::Within(_))
    };
    let (first, newest) = (&outcome.fired[0], outcome.fired.last().unwrap());
    assert!(!is_bounded(first.counter), "nothing had set the clock");
    assert!(is_bounded(newest.counter), "something has");
}
