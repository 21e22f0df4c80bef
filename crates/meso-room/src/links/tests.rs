use proptest::prelude::*;

use super::*;

fn driver(number: u8) -> DriverId {
    DriverId::parse(&format!("room-{number}")).unwrap()
}

fn link(tag: u8, id: u16, made_at: i64, made_by: u8) -> Link {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&id.to_be_bytes());
    Link {
        tag: CodeTag([tag; 32]),
        id: bytes,
        salt: [7; 32],
        made_at: Timestamp::from_unix_ns(made_at).unwrap(),
        made_by: driver(made_by),
    }
}

#[test]
fn a_commitment_is_of_salt_and_id_and_of_nothing_else() {
    let one = link(1, 1, 5, 1);
    let commitment = one.commitment();
    assert_eq!(commitment, link(9, 1, 6, 2).commitment());
    assert_ne!(commitment, link(1, 2, 5, 1).commitment());
    let mut salted = one;
    salted.salt = [8; 32];
    assert_ne!(commitment, salted.commitment());
}

#[test]
fn the_link_that_was_made_first_counts_and_the_other_room_records_the_merge_once() {
    let mut table = LinkTable::default();
    assert_eq!(table.take(link(1, 2, 20, 2)), LinkTaken::New(0));
    assert_eq!(table.due_merges(&driver(2)), []);
    assert_eq!(table.take(link(1, 1, 10, 1)), LinkTaken::New(0));
    assert_eq!(table.take(link(1, 1, 10, 1)), LinkTaken::Known);
    assert_eq!(
        table.take(link(2, 3, 10, 1)),
        LinkTaken::New(0),
        "somebody else"
    );
    let (first, second) = (link(1, 1, 10, 1), link(1, 2, 20, 2));
    assert_eq!(table.winner(&CodeTag([1; 32])), Some(&first));
    assert_eq!(table.due_merges(&driver(1)), [], "its own one counts");
    let due = table.due_merges(&driver(2));
    let merge = DueMerge {
        from: second.commitment(),
        into: first.commitment(),
        shelf: 0,
    };
    assert_eq!(due, [merge]);
    table.note_told(&merge);
    assert_eq!(
        (table.due_merges(&driver(2)), table.told_count(&driver(2))),
        (vec![], 1)
    );
    let same = table.same_patient(&second.commitment());
    assert_eq!(same, [second.commitment(), first.commitment()]);
    table.take(link(1, 4, 5, 3));
    assert_eq!(table.due_merges(&driver(1)).len(), 1, "an earlier one came");
    assert_eq!(table.due_merges(&driver(2)).len(), 1, "and counts for both");
}

#[test]
fn an_id_that_another_link_has_is_refused() {
    let mut table = LinkTable::default();
    table.take(link(1, 1, 10, 1));
    assert_eq!(table.take(link(2, 1, 10, 1)), LinkTaken::OtherIsKnown);
    assert_eq!(table.winner(&CodeTag([2; 32])), None);
}

#[test]
fn a_code_has_so_many_links_at_most_and_the_oldest_counts_in_every_room_all_the_same() {
    let most = u16::try_from(LinkTable::LINKS_PER_TAG_MAX).unwrap();
    let links = (0..most + 9).map(|id| link(1, id, i64::from(id), 1));
    let (mut here, mut there) = (LinkTable::default(), LinkTable::default());
    let taken: Vec<LinkTaken> = links.clone().map(|link| here.take(link)).collect();
    let too_many = taken.iter().filter(|taken| **taken == LinkTaken::TooMany);
    assert_eq!(too_many.count(), 9);
    assert_eq!(here.count(), LinkTable::LINKS_PER_TAG_MAX);
    for link in links.rev() {
        there.take(link);
    }
    let tag = CodeTag([1; 32]);
    assert_eq!(here.winner(&tag), there.winner(&tag));
    assert_eq!(here.winner(&tag), Some(&link(1, 0, 0, 1)));
    let known = here.take(link(1, 5, 5, 1));
    assert_eq!(known, LinkTaken::Known, "what is known is not refused");
    assert_eq!(
        here.take(link(2, 999, 0, 1)),
        LinkTaken::New(0),
        "another code"
    );
}

#[test]
fn a_full_shelf_is_followed_by_another_and_one_that_cannot_be_read_is_left_alone() {
    let mut table = LinkTable::default();
    table.restore_unreadable(1);
    let most = u16::try_from(LinkTable::SHELF_LINKS_MAX).unwrap();
    let of_few = |id: u16| link((id / 32).to_be_bytes()[1], id, 10, 1);
    for id in 0..most {
        assert_eq!(table.take(of_few(id)), LinkTaken::New(0));
    }
    assert_eq!(table.take(of_few(most)), LinkTaken::New(2));
    assert_eq!((table.shelf(0).len(), table.shelf(2).len()), (256, 1));
    for shelf in (1..LinkTable::SHELF_COUNT_MAX).filter(|shelf| *shelf != 2) {
        table.restore_unreadable(shelf);
    }
    for id in most + 1..2 * most {
        table.take(of_few(id));
    }
    assert_eq!(table.take(of_few(2 * most)), LinkTaken::Full);
}

#[test]
fn what_is_kept_is_read_back_and_cut_or_longer_it_is_refused() {
    let entries = vec![
        LinkEntry {
            link: link(1, 1, 10, 1),
            told_into: Some(link(1, 2, 5, 1).commitment()),
        },
        LinkEntry {
            link: link(2, 2, 11, 2),
            told_into: None,
        },
    ];
    let bytes = encode_entries(&entries);
    assert_eq!(decode_entries(&bytes).unwrap(), entries);
    for end in 0..bytes.len() {
        assert!(decode_entries(&bytes[..end]).is_err(), "cut at {end}");
    }
    let many = vec![entries[0].clone(); LinkTable::SHELF_LINKS_MAX + 1];
    assert!(decode_entries(&encode_entries(&many)).is_err());
    let full = &many[1..];
    let longest = DriverId::parse(&"x".repeat(32)).unwrap();
    let full: Vec<LinkEntry> = full
        .iter()
        .cloned()
        .map(|mut entry| {
            entry.link.made_by = longest.clone();
            entry
        })
        .collect();
    let bytes = encode_entries(&full).len();
    assert!(
        bytes < meso_contract::LinksMessage::SEALED_BYTES_MAX,
        "{bytes}"
    );
}

/// Links of three tags by four rooms, each with an id of its own.
fn some_links() -> impl Strategy<Value = Vec<Link>> {
    let parts = (0..3_u8, 0..4_i64, 0..4_u8);
    prop::collection::vec(parts, 1..24).prop_map(|parts| {
        let links = parts.into_iter().enumerate();
        let links = links.map(|(id, (tag, made_at, made_by))| {
            link(tag, u16::try_from(id).unwrap(), made_at, made_by)
        });
        links.collect()
    })
}

fn take_all(links: &[Link]) -> LinkTable {
    let mut table = LinkTable::default();
    for link in links {
        table.take(link.clone());
    }
    table
}

fn record_all(table: &mut LinkTable) -> BTreeSet<(PatientCommitment, PatientCommitment)> {
    let mut merges = BTreeSet::new();
    for room in 0..4 {
        for merge in table.due_merges(&driver(room)) {
            merges.insert((merge.from, merge.into));
            table.note_told(&merge);
        }
    }
    merges
}

proptest! {
    #[test]
    fn whatever_order_links_come_in_everybody_comes_to_the_same_patient(
        (links, shuffled) in some_links().prop_flat_map(|links| {
            (Just(links.clone()), Just(links).prop_shuffle())
        }),
        again in 0..24_usize,
    ) {
        let (mut one, mut other) = (take_all(&links), take_all(&shuffled));
        let again = &links[again % links.len()];
        prop_assert_eq!(other.take(again.clone()), LinkTaken::Known);
        for tag in 0..3 {
            let tag = CodeTag([tag; 32]);
            prop_assert_eq!(one.winner(&tag), other.winner(&tag));
        }
        let merges = record_all(&mut one);
        prop_assert_eq!(&merges, &record_all(&mut other));
        prop_assert!(record_all(&mut one).is_empty(), "each is recorded once");
        let with_others = links.iter().map(|link| one.same_patient(&link.commitment()).len());
        let losers = with_others.filter(|count| *count > 1).count();
        let tags_with_losers: BTreeSet<_> = merges.iter().map(|(_, into)| into).collect();
        prop_assert_eq!(merges.len() + tags_with_losers.len(), losers);
    }

    #[test]
    fn merges_that_rooms_record_while_links_come_one_by_one_lead_to_the_link_that_counts(
        links in some_links().prop_shuffle(),
    ) {
        let mut table = LinkTable::default();
        let mut merges = meso_domain::PatientMerges::default();
        for link in &links {
            table.take(link.clone());
            for (from, into) in record_all(&mut table) {
                let at = Timestamp::UNIX_EPOCH;
                merges.note(&meso_domain::PatientMerged { from, into, at }).unwrap();
            }
        }
        for link in &links {
            let winner = table.winner(&link.tag).unwrap().commitment();
            prop_assert_eq!(merges.winner_of(&link.commitment()), winner);
            let mut same = table.same_patient(&link.commitment());
            same.sort();
            prop_assert_eq!(merges.ids_of(&link.commitment()), same);
        }
    }

    #[test]
    fn bytes_that_are_no_links_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let _ = decode_entries(&bytes);
    }
}
