//! The writer against a reader that follows the public grammar and shares nothing with it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A line as a server reads it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    measurement: String,
    tags: BTreeMap<String, String>,
    integers: BTreeMap<String, i64>,
    texts: BTreeMap<String, String>,
    at_ns: i64,
}

/// Reads up to one of `ends` that no backslash precedes, and takes the escapes of tags away.
fn unescaped(input: &mut std::iter::Peekable<std::str::Chars<'_>>, ends: &[char]) -> String {
    let mut text = String::new();
    while let Some(next) = input.peek().copied() {
        if ends.contains(&next) {
            break;
        }
        input.next();
        match (next, input.peek()) {
            ('\\', Some(',' | '=' | ' ')) => text.extend(input.next()),
            _ => text.push(next),
        }
    }
    text
}

fn quoted(input: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(next) = input.next() {
        match next {
            '"' => return text,
            '\\' => text.extend(input.next()),
            other => text.push(other),
        }
    }
    panic!("a text field does not end")
}

fn parse(line: &str) -> Parsed {
    let mut input = line.chars().peekable();
    let mut parsed = Parsed {
        measurement: unescaped(&mut input, &[',', ' ']),
        ..Parsed::default()
    };
    while input.next() == Some(',') {
        let name = unescaped(&mut input, &['=']);
        input.next();
        let value = unescaped(&mut input, &[',', ' ']);
        parsed.tags.insert(name, value);
    }
    loop {
        let name = unescaped(&mut input, &['=']);
        input.next();
        if input.peek() == Some(&'"') {
            input.next();
            parsed.texts.insert(name, quoted(&mut input));
        } else {
            let value = unescaped(&mut input, &[',', ' ']);
            let number = value.strip_suffix('i').expect("an integer ends in i");
            parsed.integers.insert(name, number.parse().unwrap());
        }
        match input.next() {
            Some(',') => {}
            Some(' ') => break,
            other => panic!("{other:?} after a field"),
        }
    }
    parsed.at_ns = input.collect::<String>().trim_end().parse().unwrap();
    parsed
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_and_never_more_than_one_line(
        tag in ".{0,24}",
        text in ".{0,24}",
        number in any::<i64>(),
        at_ns in any::<i64>(),
    ) {
        let mut lines = Lines::default();
        let line = lines.begin("m").tag("a", &tag).tag("b", "x y");
        let written = line.integer("n", number).text_if("t", Some(&text)).at(at_ns);
        match written {
            Ok(()) => {
                let bytes = lines.bytes(0..1);
                let line = std::str::from_utf8(bytes).unwrap();
                prop_assert_eq!(line.matches('\n').count(), 1);
                let parsed = parse(line);
                prop_assert_eq!(&parsed.tags["a"], &tag);
                prop_assert_eq!(&parsed.tags["b"], "x y");
                prop_assert_eq!(&parsed.texts["t"], &text);
                prop_assert_eq!(parsed.integers["n"], number);
                prop_assert_eq!(parsed.at_ns, at_ns);
            }
            Err(_) => prop_assert!(lines.is_empty() && lines.bytes(0..1).is_empty()),
        }
    }

    #[test]
    fn plain_identifiers_are_never_refused(tag in "[A-Z0-9-]{1,16}", text in "[a-z0-9 =,\"]{0,40}") {
        let mut lines = Lines::default();
        let line = lines.begin("m").tag("a", &tag).text_if("t", Some(&text));
        prop_assert_eq!(line.at(0), Ok(()));
    }

    #[test]
    fn parts_hold_every_line_once_and_keep_to_their_limits(
        lengths in proptest::collection::vec(1_usize..40, 0..60),
        lines_max in 1_usize..9,
        bytes_max in 30_usize..200,
    ) {
        let mut lines = Lines::default();
        for length in &lengths {
            lines.begin("m").text_if("t", Some(&"x".repeat(*length))).at(0).unwrap();
        }
        let parts = lines.parts(lines_max, bytes_max);
        let joined: Vec<usize> = parts.iter().cloned().flatten().collect();
        prop_assert_eq!(joined, (0..lengths.len()).collect::<Vec<_>>());
        for part in parts {
            prop_assert!(part.len() <= lines_max && !part.is_empty());
            prop_assert!(part.len() == 1 || lines.bytes(part).len() <= bytes_max);
        }
    }
}

#[test]
fn a_line_break_cannot_smuggle_in_a_second_line() {
    let mut lines = Lines::default();
    let evil = "GUN\nshot,gun=other counter=1i 0";
    assert!(
        lines
            .begin("m")
            .tag("gun", evil)
            .integer("n", 1)
            .at(0)
            .is_err()
    );
    assert!(lines.begin("m").text_if("t", Some(evil)).at(0).is_err());
    assert!(
        lines
            .begin("m")
            .tag("gun", "ends in \\")
            .integer("n", 1)
            .at(0)
            .is_err()
    );
    assert!(
        lines
            .begin("m")
            .tag("gun", "")
            .integer("n", 1)
            .at(0)
            .is_err()
    );
    assert!(lines.begin("m").tag("gun", "G").at(0).is_err());
    assert!(lines.is_empty());
}
