//! The C library as a maker builds it: for small Arm cores, without an operating system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use meso_tests::root;

/// The cores of the table, from the smallest.
const CORES: [&str; 3] = ["cortex-m0", "cortex-m3", "cortex-m4"];

const OPTIONS: [&str; 9] = [
    "-std=c99",
    "-mthumb",
    "-Os",
    "-ffreestanding",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wpedantic",
    "-Werror",
];

/// How far the sizes may be from the table, in percent: compilers differ a little.
const TOLERANCE: u64 = 10;

/// What a maker reserves besides the code; the compiler adds it up.
const MEMORY: &str = "#include \"meso_link.h\"\n\
    struct meso_gun gun;\nstruct meso_retained retained;\n";

/// Code and constant data, then zeroed memory, in bytes.
type Size = (u64, u64);

fn run(program: &str, arguments: &[&str], files: &[PathBuf]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .args(files)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{program}: {error}; install it with `sudo apt-get install \
                 --no-install-recommends gcc-arm-none-eabi`"
            )
        });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

fn size_of(core: &str, folder: &Path) -> Size {
    let bridge = root().join("firmware-bridge");
    let memory = folder.join("memory.c");
    fs::write(&memory, MEMORY).unwrap();
    let mut objects = Vec::new();
    let sources = fs::read_dir(&bridge)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .chain([memory]);
    for source in sources {
        let name = source.file_stem().unwrap().to_string_lossy().into_owned();
        let object = folder.join(format!("{core}-{name}.o"));
        let (core, include) = (format!("-mcpu={core}"), bridge.join("firmware/include"));
        let options = [
            &OPTIONS[..],
            &[&core, "-isystem", include.to_str().unwrap()],
            &["-I", bridge.to_str().unwrap(), "-c", "-o"],
        ]
        .concat();
        run("arm-none-eabi-gcc", &options, &[object.clone(), source]);
        objects.push(object);
    }
    assert_eq!(objects.len(), 5, "four files and the memory: {objects:?}");
    let table = run("arm-none-eabi-size", &["-t"], &objects);
    let total = table.lines().last().unwrap();
    let numbers: Vec<u64> = total
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers[1], 0, "no data is copied at a start: {total}");
    (numbers[0], numbers[2])
}

/// The row of a core in the table of the firmware's README.
fn documented(core: &str) -> Size {
    let text = include_str!("../../firmware-bridge/firmware/README.md");
    let row = text
        .lines()
        .find(|line| line.starts_with(&format!("| {core} |")))
        .unwrap_or_else(|| panic!("the README has no row for {core}"));
    let cells: Vec<u64> = row
        .split('|')
        .filter_map(|cell| cell.trim().replace(' ', "").parse().ok())
        .collect();
    (cells[0], cells[1])
}

#[test]
fn the_library_builds_for_small_cores_and_is_as_small_as_the_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let close = |one: u64, other: u64| one.abs_diff(other) * 100 <= other * TOLERANCE;
    for core in CORES {
        let (found, said) = (size_of(core, folder.path()), documented(core));
        println!("{core}: {} bytes of code, {} of memory", found.0, found.1);
        assert!(
            close(found.0, said.0) && close(found.1, said.1),
            "{core}: write {found:?} instead of {said:?} into firmware-bridge/firmware/README.md"
        );
    }
}
