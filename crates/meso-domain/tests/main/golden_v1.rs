//! Pinned bytes of version 1. **Do not change this test.**
//!
//! Records sealed in the field hash to these values. If a test here fails, the code is wrong: give
//! the record a new version beside this one instead.

use meso_domain::canonical::Canonical;
use meso_domain::{CommitEntry, Gap, GapReason, LedgerEntry, LedgerEntryKind, Record, RecordBlock};
use meso_units::ShotCounter;

use crate::samples::{
    at, sample_amendment, sample_custody, sample_ended, sample_gap, sample_header,
    sample_judgement, sample_opened, sample_segment, sample_shot, sample_silent_shot,
};
use crate::statement_samples;

#[test]
fn the_bytes_of_a_shot_are_pinned() {
    assert_eq!(
        hex::encode(sample_shot(42).canonical_bytes()),
        "0101080047554e2d3030303108070605040302012a000000154d2f63fd1ee9180150f80c0000000000030000004e61bc000000000001d007000001f50700000101204e00000000000001bc4f0000000000000101092e02000000000001a40101010101f05bffffffffffff0000010101222222222222222222222222222222220101000000"
    );
    assert_eq!(
        hex::encode(sample_silent_shot().canonical_bytes()),
        "0101080047554e2d30303031080706050403020107000000154d2f63fd1ee91800030000004e61bc00000000000000000000000000210002020000"
    );
}

#[test]
fn the_hash_of_every_kind_of_record_is_pinned() {
    let pinned = [
        (
            Record::Shot(sample_shot(42)),
            "10256558e24e0270b327dea6473b1e5180ff4b31eec537bbf14cd405f6df08bc",
        ),
        (
            Record::Shot(sample_silent_shot()),
            "0f865c5e516dd6bbf69b3c079086c9888ff6f571d0bd9360c6c535a447f4373b",
        ),
        (
            Record::Session(sample_opened()),
            "4639822ad3dbd9e32d784743228ade90d7310a2d5a79a3cf46d11ef9fd0f741e",
        ),
        (
            Record::Session(sample_segment()),
            "528c80506a69112f099a4eab0d7a279969794994ef454a9a4890d896c9aa7e20",
        ),
        (
            Record::Session(sample_ended()),
            "a227f6721a820306f08e175eb2dcd70f67293b9701ca9289dd2fc4e1710635de",
        ),
        (
            Record::Gap(sample_gap()),
            "07d5da0a740e80214e5fa3a8bf197ff9ebfc4946ae641a2a2bdbf3e566e39bb5",
        ),
        (
            Record::Amendment(sample_amendment()),
            "a408c222b8766fcc53fe693f6a01acd8da1457d85ead26afecf6d13248ec30c1",
        ),
        (
            Record::Custody(sample_custody()),
            "faa451678a1581911203ae7f7a6b6bf9eccf95157bba815db6aa645be9776919",
        ),
    ];
    for (record, hash) in pinned {
        assert_eq!(record.hash().to_string(), hash, "{record:?}");
    }
    assert_eq!(
        sample_judgement().record_hash().to_string(),
        "833ef02afe057bddd4424ca2b15acec098ae71793ec96365385b1f3a9a4b25d1"
    );
}

#[test]
fn the_hash_of_a_block_and_of_a_commit_is_pinned() {
    let block = RecordBlock::seal(
        sample_header(),
        vec![
            Record::Shot(sample_shot(1)),
            Record::Shot(sample_shot(2)),
            Record::Gap(sample_gap()),
        ],
        vec![sample_judgement(), sample_judgement()],
    )
    .unwrap();
    assert_eq!(
        block.hash().to_string(),
        "f5627de2dddd80072accf2d95b4e043dbda9dfa47e73562ca6ddaf2db8596378"
    );
    let commit = CommitEntry {
        at: at(1_795_000_002_000_000_000),
        blocks: vec![block.hash()],
        entries: vec![LedgerEntry {
            kind: LedgerEntryKind::SessionSeal,
            digest: [0x77; 32],
        }],
    };
    assert_eq!(
        hex::encode(commit.canonical_bytes()),
        "1101001409d3fd1ee9180100f5627de2dddd80072accf2d95b4e043dbda9dfa47e73562ca6ddaf2db85963780100017777777777777777777777777777777777777777777777777777777777777777"
    );
}

#[test]
fn the_bytes_of_a_gap_that_nobody_can_count_are_pinned() {
    let gap = Gap {
        first: ShotCounter(1),
        last: None,
        reason: GapReason::NotCounted,
        ..sample_gap()
    };
    assert_eq!(
        hex::encode(gap.canonical_bytes()),
        "0301080047554e2d30303031080706050403020101000000000205004a6e97fd1ee918"
    );
}

#[test]
fn the_hash_of_every_kind_of_statement_is_pinned() {
    let pinned = [
        "7fd2ac20ec3d8dbc989ffe68d766dc29357a1f7489b27df513de3b6fee2c7449",
        "47b8f24a08c22a506aa1ddb8f3202552a0ff2b5a9e7690d2f2a38aaa60977f88",
        "bc73cacc45002ad2fea3fc5719a364cff4748db82baa4da83d1cc4938118b03e",
        "054ebdf81c0b09e80fb0853691f5fd0046e96de5dd92903aef50bb866f5d1841",
        "47f0ab2187957633bf46fb46e6ed335aa42542bc4ed4441b159d18bea8885b70",
        "95ad4f0ea8797f25819de803b66b2bdb674568b51a99470a5f44b36f3824a089",
        "997a4c17b5aa50615dd3d0dbca7a07fc5ab44757bea61b542406c553ca04d4cf",
        "4c13182a8888b2f9421e30cc1ecefd22c59672221a0e47180c00b46de2eed018",
        "52b2b2c014bc06fea0cc0690e7eb839bd9c319a3c16f75ad7785db23b5ad08d0",
        "18a88e2ac1b210b0fbd1e72d24411586d0b0a909a232f53b6bc89d210b217ba9",
        "0e3234c3d17e0557600b8d0f465e6e51e84e8f9d602c7fdad216d6fbe6c0a5d6",
        "03a3e91afa7aa3adcb59e4a932352ac62378b2e6b21a3db5eff992670071480f",
        "fdf0ab8878e97c894ad235f41ee137d8df78421912f28fa61b4e8c88e6449b5c",
        "100bec676813d1761292388c0079824119c324d4d0e1c0dec20e32cba881270a",
    ];
    let hashes: Vec<String> = statement_samples::all()
        .into_iter()
        .map(|event| Record::Session(event).hash().to_string())
        .collect();
    assert_eq!(hashes, pinned);
    assert_eq!(
        hex::encode(statement_samples::sample_answers().digest()),
        "0d2f9d5d457e4e598ee177bf1dbe1b68453c530d3db0408f994df48ec44d5040"
    );
}
