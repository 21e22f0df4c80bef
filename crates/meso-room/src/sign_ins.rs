//! Who is signed in, for how long, and how often somebody may try: no clock, no I/O.

use std::collections::BTreeMap;

use meso_contract::room::PersonBody;

/// After this long without a touch the screen is locked, in ms: 5 minutes. It goes on showing the
/// treatment, and STOP works; whatever else is done wants the PIN again.
pub const IDLE_LOCK_MS: u64 = 5 * 60 * 1_000;

/// This long after a PIN or badge its person may resume a gun or override a limit, in ms.
pub const FRESH_MS: u64 = 60_000;

/// After this long nobody is signed in any more, in ms: 12 hours, longer than a shift.
pub const SEAT_MS_MAX: u64 = 12 * 60 * 60 * 1_000;

/// The most browsers in which somebody is signed in; a further one signs out the oldest.
pub const SEATS_MAX: usize = 8;

/// Wrong PINs in a row after which a person has to wait.
pub const WRONG_MAX: u32 = 5;

/// How long, in s; twice as long after each further wrong one ...
const WAIT_S: u64 = 30;

/// ... but never longer than this.
const WAIT_S_MAX: u64 = 15 * 60;

/// What a browser sends back, 64 hexadecimal digits.
pub(crate) type SeatKey = String;

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Look, and stop guns.
    Locked(PersonBody),
    /// Take steps.
    Open(PersonBody),
    /// Also what wants the PIN again.
    Fresh(PersonBody),
}

#[derive(Clone, Debug)]
struct Seat {
    person: PersonBody,
    signed_in_ms: u64,
    touched_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    wrong: u32,
    /// Until when the next try is refused.
    until_ms: u64,
}

/// The state; times are ms of a clock that never steps.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    seats: BTreeMap<SeatKey, Seat>,
    tries: BTreeMap<String, Tries>,
}

impl SignIns {
    /// Whether somebody may try now; else how many seconds are left. `who` is an id of the list,
    /// or one word for all others, so that this map grows no longer than the list.
    pub(crate) fn may_try(&self, now_ms: u64, who: &str) -> Result<(), u64> {
        let until_ms = self.tries.get(who).map_or(0, |tries| tries.until_ms);
        match until_ms.saturating_sub(now_ms) {
            0 => Ok(()),
            left_ms => Err(left_ms.div_ceil(1_000)),
        }
    }

    /// A PIN was wrong.
    pub(crate) fn wrong(&mut self, now_ms: u64, who: &str) {
        let tries = self.tries.entry(who.to_owned()).or_default();
        tries.wrong = tries.wrong.saturating_add(1);
        if let Some(beyond) = tries.wrong.checked_sub(WRONG_MAX) {
            let wait_s = WAIT_S.checked_shl(beyond).unwrap_or(WAIT_S_MAX);
            let wait_s = match wait_s {
                0 => WAIT_S_MAX,
                wait_s => wait_s.min(WAIT_S_MAX),
            };
            tries.until_ms = now_ms + wait_s * 1_000;
        }
    }

    /// Somebody is signed in under a new key.
    pub(crate) fn right(&mut self, now_ms: u64, who: &str, person: PersonBody, key: SeatKey) {
        self.tries.remove(who);
        if self.seats.len() >= SEATS_MAX {
            let oldest = self.seats.iter().min_by_key(|(_, seat)| seat.touched_ms);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.seats.remove(&key);
            }
        }
        let seat = Seat {
            person,
            signed_in_ms: now_ms,
            touched_ms: now_ms,
        };
        self.seats.insert(key, seat);
    }

    /// What the holder of a key may do.
    pub(crate) fn standing(&self, now_ms: u64, key: &str) -> Option<Standing> {
        let seat = self.seats.get(key)?;
        let person = seat.person.clone();
        let age_ms = now_ms.saturating_sub(seat.signed_in_ms);
        let idle_ms = now_ms.saturating_sub(seat.touched_ms);
        match (age_ms, idle_ms) {
            (SEAT_MS_MAX.., _) => None,
            (_, IDLE_LOCK_MS..) => Some(Standing::Locked(person)),
            (..FRESH_MS, _) => Some(Standing::Fresh(person)),
            _ => Some(Standing::Open(person)),
        }
    }

    /// A hand touched the screen; a locked one stays locked.
    pub(crate) fn touch(&mut self, now_ms: u64, key: &str) {
        if let Some(Standing::Open(_) | Standing::Fresh(_)) = self.standing(now_ms, key)
            && let Some(seat) = self.seats.get_mut(key)
        {
            seat.touched_ms = now_ms;
        }
    }

    /// Nobody is signed in under this key any more.
    pub(crate) fn sign_out(&mut self, key: &str) {
        self.seats.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> PersonBody {
        PersonBody {
            id: "op-1".to_owned(),
            name: "One".to_owned(),
        }
    }

    #[test]
    fn a_screen_locks_when_nobody_touches_it_and_a_touch_does_not_open_it_again() {
        let mut ins = SignIns::default();
        ins.right(0, "op-1", somebody(), "k".to_owned());
        assert_eq!(ins.standing(59_999, "k"), Some(Standing::Fresh(somebody())));
        assert_eq!(ins.standing(60_000, "k"), Some(Standing::Open(somebody())));
        ins.touch(200_000, "k");
        let locked = 200_000 + IDLE_LOCK_MS;
        assert_eq!(
            ins.standing(locked - 1, "k"),
            Some(Standing::Open(somebody()))
        );
        ins.touch(locked, "k");
        assert_eq!(
            ins.standing(locked, "k"),
            Some(Standing::Locked(somebody()))
        );
        assert_eq!(ins.standing(SEAT_MS_MAX, "k"), None);
        assert_eq!(ins.standing(0, "other"), None);
    }

    #[test]
    fn wrong_pins_cost_time_and_a_right_one_forgives_them() {
        let mut ins = SignIns::default();
        for _ in 1..WRONG_MAX {
            ins.wrong(0, "op-1");
            assert_eq!(ins.may_try(0, "op-1"), Ok(()));
        }
        ins.wrong(0, "op-1");
        assert_eq!(ins.may_try(0, "op-1"), Err(30));
        assert_eq!(
            ins.may_try(0, "op-2"),
            Ok(()),
            "another person does not wait"
        );
        assert_eq!(ins.may_try(30_000, "op-1"), Ok(()));
        ins.wrong(30_000, "op-1");
        assert_eq!(ins.may_try(30_000, "op-1"), Err(60));
        for _ in 0..200 {
            ins.wrong(0, "op-1");
        }
        assert_eq!(ins.may_try(0, "op-1"), Err(WAIT_S_MAX));
        ins.right(0, "op-1", somebody(), "k".to_owned());
        assert_eq!(ins.may_try(0, "op-1"), Ok(()));
    }

    #[test]
    fn one_browser_too_many_signs_out_the_oldest() {
        let mut ins = SignIns::default();
        for seat in 0..=SEATS_MAX {
            let now_ms = u64::try_from(seat).unwrap();
            ins.right(now_ms, "op-1", somebody(), format!("k{seat}"));
        }
        assert_eq!(ins.standing(9, "k0"), None);
        assert!(ins.standing(9, "k1").is_some());
        ins.sign_out("k1");
        assert_eq!(ins.standing(9, "k1"), None);
    }
}
