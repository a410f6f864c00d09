//! Text form of tickets.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use crate::{Bytes, CallId, CallerId, Doubt, Fingerprint, Keyed, Ticket, Time, WireHash, encode};

fn ticket(caller: u128, of: &str, key: Option<Vec<u8>>, keyed: Option<String>, time: u64) -> Ticket {
    Ticket::from(Doubt {
        id: CallId { caller: CallerId(caller), number: 1, birth: Time::EPOCH },
        of: of.into(),
        key: key.map(Bytes::from),
        method: "deposit".into(),
        shape: WireHash([7; 16]),
        fingerprint: Fingerprint(time),
        keyed: keyed.map(|key| Keyed { principal: String::new(), key }),
        settles_until: Time::from_nanos(time),
    })
}

#[test]
fn hostile_texts_are_refused() {
    let good = ticket(1, "Wallet", Some(b"\x03ada".to_vec()), None, 9);
    let bytes = encode(&good);
    let text = format!("nighT1.{}", URL_SAFE_NO_PAD.encode(&bytes));
    assert_eq!(text.parse(), Ok(good));
    for cut in 0..text.len() {
        assert!(text[..cut].parse::<Ticket>().is_err(), "{}", &text[..cut]);
    }
    let rest = [&bytes[..], &[0]].concat();
    let refused = [
        format!("{text}A"),
        format!("{text} "),
        format!("{text}="),
        text.replace("nighT1.", "nighT2."),
        text.replace("nighT1.", "night1."),
        format!("nighT1.{}", URL_SAFE_NO_PAD.encode(rest)),
        format!("nighT1.{}", STANDARD.encode([0xff; 30])),
        format!("nighT1.{}", "A".repeat(1 << 20)),
        "nighT1.é".into(),
    ];
    for text in refused {
        assert!(text.parse::<Ticket>().is_err(), "{text}");
    }
}

/// A text of the longest size is read, one byte more is not.
#[test]
fn size_is_bounded() {
    let read = |n: usize| ticket(1, &"x".repeat(n), None, None, 9).to_string();
    let fits =
        (1..).map(read).take_while(|text| text.len() <= Ticket::TEXT_SIZE_MAX).last().expect("one fits");
    assert!(fits.parse::<Ticket>().is_ok() && fits.len() > Ticket::TEXT_SIZE_MAX - 2);
    let over = (2_000..).map(read).find(|text| text.len() > Ticket::TEXT_SIZE_MAX).expect("one does not");
    assert!(over.parse::<Ticket>().is_err());
}

/// Tickets are kept outside: a change here is a change of the format.
#[test]
fn text_is_fixed() {
    let ticket = ticket(1, "Wallet", Some(b"\x03ada".to_vec()), Some("k".into()), 300);
    assert_eq!(ticket.to_string(), TEXT);
}
const TEXT: &str =
    "nighT1.AQAAAAAAAAAAAAAAAAAAAAEABldhbGxldAEEA2FkYQdkZXBvc2l0BwcHBwcHBwcHBwcHBwcHBywBAAAAAAAAAQABa6wC";

proptest! {
    #[test]
    fn tickets_survive(
        caller in any::<u128>(), of in ".{0,20}", key in any::<Option<Vec<u8>>>(), keyed in any::<Option<String>>(), time in any::<u64>(),
    ) {
        let ticket = ticket(caller, &of, key.map(|k| k[..k.len().min(99)].to_vec()), keyed.map(|k| k.chars().take(20).collect()), time);
        prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }

    #[test]
    fn no_text_panics(text in "nighT1\\.[A-Za-z0-9_-]{0,200}") {
        if let Ok(ticket) = text.parse::<Ticket>() {
            prop_assert_eq!(ticket.to_string(), text);
        }
    }
}
