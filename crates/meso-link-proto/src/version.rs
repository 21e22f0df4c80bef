//! Which versions of the link this crate speaks, and the layouts behind the schema number.
//!
//! Policy: a change of any layout is a new version. A side announces the smallest and the largest
//! version that it speaks; both use the largest that they share, and where they share none the
//! link is refused and shown, never guessed. Within one version the schema number must be equal
//! too, so that two builds that disagree about a layout find out at the greeting and not from a
//! wrong needle depth.

use crate::frame::crc32;

/// The oldest version of the link that this crate speaks.
pub const MIN: u8 = 1;

/// The version of the link that this crate prefers.
pub const CURRENT: u8 = 1;

/// The layouts of version 1, one message a line: kind, name, then `field:type` in wire order.
///
/// All integers are little-endian; `text16` is 16 bytes of ASCII padded with zeros. `SPEC.md` of
/// the firmware bridge prints this very text, and a test compares the two.
pub const LAYOUTS: &str = "\
01 HELLO protocol_min:u8 protocol_max:u8 schema:u32 session:u32 serial:text16 model:text16 firmware:text16 firmware_hash:u8x8 boot_id:u32 boot_count:u32 epoch:u64 oldest:u32 newest:u32 acknowledged:u32 lost:u32 capabilities:u32 depth_max_um:u32 volume_max_nl:u32 frequency_max_spm:u16 lease_ms:u16 lease_loss:u8 inhibited:u8 inhibit_number:u32 tick_us:u64 nonce:u8x16
02 SHOT epoch:u64 counter:u32 boot_id:u32 tick_us:u64 interval_us:u64 depth_set_um:u32 depth_sensed_um:u32 volume_set_nl:u32 volume_sensed_nl:u32 frequency_set_spm:u16 needles:u8 purpose:u8 pressure_pa:i32 flags:u16 present:u16
03 STATUS tick_us:u64 epoch:u64 oldest:u32 newest:u32 acknowledged:u32 lost:u32 battery_mv:u32 temperature_mc:i32 vacuum_pa:i32 shots_on_needle:u32 lifetime_shots:u32 faults:u32 inhibited:u8 present:u8 inhibit_number:u32 refused:u32
04 RANGE session:u32 request:u16 epoch:u64 requested:u32 from:u32 newest:u32
05 TIME_ANSWER request:u32 host_sent_ns:i64 gun_received_us:u64 gun_sent_us:u64
06 RESULT session:u32 command:u16 result:u8 inhibited:u8 inhibit_number:u32 epoch:u64 depth_max_um:u32 volume_max_nl:u32 frequency_max_spm:u16
07 SETTINGS session:u32 command:u16 depth_set_um:u32 volume_set_nl:u32 frequency_set_spm:u16 needles:u8 purpose:u8 depth_max_um:u32 volume_max_nl:u32 frequency_max_spm:u16 lease_ms:u16 lease_loss:u8 present:u8
81 HOST_HELLO protocol_min:u8 protocol_max:u8 schema:u32 session:u32 nonce:u8x16
82 ACKNOWLEDGE session:u32 epoch:u64 counter:u32
83 SEND_FROM session:u32 request:u16 epoch:u64 counter:u32
84 TIME_REQUEST request:u32 host_sent_ns:i64 padding:u8x16
85 ASSIGN_EPOCH session:u32 command:u16 replaces:u64 epoch:u64
86 INHIBIT session:u32 command:u16 reason:u8
87 RESUME session:u32 command:u16 inhibit_number:u32
88 KEEP_ALIVE session:u32 epoch:u64 counter:u32
89 SET_LIMITS session:u32 command:u16 depth_max_um:u32 volume_max_nl:u32 frequency_max_spm:u16
8A READ_SETTINGS session:u32 command:u16
8B IDENTIFY session:u32 command:u16 seconds:u8
";

/// The schema number of version 1: the CRC-32 of [`LAYOUTS`].
pub fn schema() -> u32 {
    crc32(LAYOUTS.as_bytes())
}

/// The largest version that two ranges share, or `None`.
pub fn common(ours: (u8, u8), theirs: (u8, u8)) -> Option<u8> {
    let highest = ours.1.min(theirs.1);
    (highest >= ours.0.max(theirs.0)).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_number_of_version_one_is_pinned() {
        // A change here is a change of the wire: add a version, do not change this number.
        assert_eq!(schema(), 0xC71C_CE4B);
    }

    #[test]
    fn the_largest_shared_version_is_chosen() {
        assert_eq!(common((1, 3), (2, 5)), Some(3));
        assert_eq!(common((1, 1), (2, 5)), None);
    }
}
