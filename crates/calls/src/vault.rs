//! The city's key: it counts persons without naming them, and seals the numbers that callbacks go to and the dialogs of calls outside.
//!
//! Persons are known by an HMAC (RFC 2104) under a key that is another one each day, so that no list of yesterday can be joined to one of
//! today. Numbers are sealed with XChaCha20-Poly1305 (RFC 8439 with the longer nonce): random nonces of 24 bytes do not repeat.

use chacha20::cipher::consts::U10;
use model::{CallId, Number, Person, Random, TicketId, hex, hide_numbers, unhex};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// Bytes that SHA-256 works on at once.
const BLOCK: usize = 64;
/// Bytes of a nonce.
const NONCE: usize = 24;
/// Hexadecimal figures of a [`Person`]: 64 bits, so that a million persons of a day do not meet by chance.
const FIGURES: usize = 16;
/// Letters of a Call-ID that is kept as it is.
const CALL_NAME_MAX: usize = 256;

/// What only this city's engine can do with a number. Made of 32 secret bytes, which the roof keeps in the state folder.
#[derive(Clone)]
pub struct Vault {
    key: [u8; 32],
    /// Where SIP messages are sealed.
    traces: Drawer,
    /// Where numbers of people who left a message are sealed.
    messages: Drawer,
    /// Where numbers that callbacks go to are sealed.
    numbers: Drawer,
    /// Where dialogs of calls outside are sealed: their addresses hold numbers.
    dialogs: Drawer,
}

impl Vault {
    /// A vault of this key.
    pub fn new(key: [u8; 32]) -> Vault {
        Vault {
            key,
            traces: Drawer::new(&key, b"messages of SIP"),
            messages: Drawer::new(&key, b"numbers beside messages"),
            numbers: Drawer::new(&key, b"numbers to call back"),
            dialogs: Drawer::new(&key, b"dialogs of calls outside"),
        }
    }

    /// A caller as statistics know them on one day (`20260824`): the same for each of their calls of that day, another one the next.
    /// `None` when the number is withheld: `anonymous`, nothing, or nothing that is a number.
    pub fn person(&self, day: u32, from_user: &str) -> Option<Person> {
        let number = Number::parse(from_user).ok()?;
        let of_the_day = hmac(&self.key, &[b"person of ", day.to_string().as_bytes()]);
        let hash = hmac(&of_the_day, &[national(&number).as_bytes()]);
        Some(Person::from(hex(&hash)[..FIGURES].to_owned()))
    }

    /// A SIP Call-ID as it may be kept in clear: itself, unless it could hold somebody's number; then what only this city makes of it, the same each
    /// time.
    pub fn call_name(&self, call_id: &str) -> String {
        let (local, host) = call_id.split_once('@').unwrap_or((call_id, ""));
        // In a host, dots divide.
        let named = holds_number(local) || host.split(|letter: char| !letter.is_ascii_alphanumeric()).any(holds_number);
        if named || call_id.len() > CALL_NAME_MAX || call_id.bytes().any(|b| !b.is_ascii_graphic()) {
            format!("hidden-{}", &hex(&hmac(&self.key, &[b"name of a call", call_id.as_bytes()]))[..FIGURES])
        } else {
            call_id.to_owned()
        }
    }

    /// Seals a number for the claim that it belongs to, as hexadecimal text: nonce, then ciphertext with its tag.
    pub fn seal(&self, random: &mut Random, ticket: TicketId, number: &Number) -> String {
        self.numbers.seal(random, ticket.0, number.as_str())
    }

    /// Opens what [`Vault::seal`] made for the same claim; `None` when it was changed, or made with another key.
    pub fn open(&self, ticket: TicketId, sealed: &str) -> Option<Number> {
        Number::parse(&self.numbers.open(ticket.0, sealed)?).ok()
    }

    /// Seals the number of somebody who left a message, for the call that it was left in.
    pub fn seal_message(&self, random: &mut Random, call: CallId, number: &Number) -> String {
        self.messages.seal(random, call.0, number.as_str())
    }

    /// Opens what [`Vault::seal_message`] made for the same call; `None` when it was changed, or made with another key.
    pub fn open_message(&self, call: CallId, sealed: &str) -> Option<Number> {
        Number::parse(&self.messages.open(call.0, sealed)?).ok()
    }

    /// Seals a SIP message of this moment, in milliseconds since 1970 UTC.
    pub fn seal_trace(&self, random: &mut Random, at: i64, text: &str) -> String {
        self.traces.seal(random, at.cast_unsigned(), text)
    }

    /// Opens what [`Vault::seal_trace`] made for the same moment; `None` when it was changed, or made with another key.
    pub fn open_trace(&self, at: i64, sealed: &str) -> Option<String> {
        self.traces.open(at.cast_unsigned(), sealed)
    }

    /// Where dialogs of calls outside are sealed.
    pub(crate) fn dialogs(&self) -> &Drawer {
        &self.dialogs
    }
}

/// A place for texts of one kind, under a key of its own.
#[derive(Clone)]
pub(crate) struct Drawer([u8; 32]);

impl Drawer {
    fn new(key: &[u8; 32], kind: &[u8]) -> Drawer {
        Drawer(hmac(key, &[kind]))
    }

    /// Seals a text for the thing of this number: hexadecimal text, nonce, then ciphertext with its tag.
    pub(crate) fn seal(&self, random: &mut Random, of: u64, text: &str) -> String {
        let drawn = random.seed();
        let (nonce, _) = drawn.split_at(NONCE);
        let mut sealed = Vec::with_capacity(NONCE + text.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(text.as_bytes());
        let tag = self.cipher(nonce).and_then(|(key, nonce)| key.seal_in_place_separate_tag(nonce, aad(of), &mut sealed[NONCE..]).ok());
        match tag {
            Some(tag) => sealed.extend_from_slice(tag.as_ref()),
            // The cipher refuses only texts of 256 GiB and more.
            None => sealed.clear(),
        }
        hex(&sealed)
    }

    /// Opens what [`Drawer::seal`] made for the same thing; `None` when it was changed, or made with another key.
    pub(crate) fn open(&self, of: u64, sealed: &str) -> Option<String> {
        let mut bytes = unhex(sealed)?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE)?;
        let (key, nonce) = self.cipher(nonce)?;
        let clear = key.open_in_place(nonce, aad(of), text).ok()?;
        String::from_utf8(clear.to_vec()).ok()
    }

    /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 section 2.3): sixteen bytes of the nonce make a key of their own, the other eight are its
    /// nonce in ChaCha20-Poly1305 (RFC 8439 section 2.8). `None` unless the nonce has [`NONCE`] bytes.
    fn cipher(&self, nonce: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let (makes_key, rest) = nonce.split_first_chunk::<16>()?;
        let key = chacha20::hchacha::<U10>(&self.0.into(), &(*makes_key).into());
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?;
        let mut short = [0; 12];
        short[4..].copy_from_slice(rest.first_chunk::<8>()?);
        Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
    }
}

fn aad(of: u64) -> Aad<[u8; 8]> {
    Aad::from(of.to_be_bytes())
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(***)")
    }
}

/// One spelling for each number: networks write the country or leave it out as they like, some without the plus, and some with the zero that only we dial.
pub(crate) fn national(number: &Number) -> String {
    let text = number.as_str();
    // Without a plus it is one only if it is as long as ours are: nine figures behind the country, or ten of a mobile telephone.
    let bare = text.strip_prefix("81").filter(|rest| matches!(rest.len(), 9 | 10) && !rest.starts_with('0'));
    match text.strip_prefix("+81").or(bare) {
        Some(rest) => format!("0{}", rest.strip_prefix('0').unwrap_or(rest)),
        None => text.to_owned(),
    }
}

/// Whether a text holds what could be a telephone number: figures by themselves, seven and more, or in the midst of letters and other figures, as
/// a random text has them too, nine and more that begin as our numbers do.
fn holds_number(text: &str) -> bool {
    // Percent-encoded: nobody makes an id at random so.
    if text.contains('%') && hide_numbers(text, 7) != text {
        return true;
    }
    let told: String = text.chars().filter(|letter| !matches!(letter, '-' | '.' | ' ' | '(' | ')' | '+')).collect();
    told.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| {
        let alone = word.len() >= 7 && word.bytes().all(|b| b.is_ascii_digit());
        let japanese = |run: &str| run.starts_with('0') || run.starts_with("81");
        // Behind other figures as many as a whole number has: ten with the zero.
        let begins = |run: &str| run.len() >= 9 && japanese(run) || (0..run.len().saturating_sub(9)).any(|at| japanese(&run[at..]));
        let within = || word.split(|letter: char| !letter.is_ascii_digit()).any(begins);
        alone || within()
    })
}

/// HMAC-SHA-256 (RFC 2104) of the parts, one after the other, under a key of at most one block.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; BLOCK];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new([byte; 32])
    }
    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn the_cipher_is_the_one_of_the_draft() {
        // draft-irtf-cfrg-xchacha-03 section A.3.1
        let drawer = Drawer(std::array::from_fn(|n| 0x80 + n as u8));
        let nonce: [u8; NONCE] = std::array::from_fn(|n| 0x40 + n as u8);
        let mut text =
            *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let aad = Aad::from(*b"PQRS\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7");
        let (key, nonce) = drawer.cipher(&nonce).unwrap();
        let tag = key.seal_in_place_separate_tag(nonce, aad, &mut text).unwrap();
        assert!(hex(&text).starts_with("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"));
        assert_eq!(hex(tag.as_ref()), "c0875924c1c7987947deafd8780acf49");
        assert!(drawer.cipher(&[0; 23]).is_none());
    }

    #[test]
    fn a_call_id_that_could_be_a_number_is_hidden_and_stays_the_same() {
        let city = vault(7);
        assert_eq!(city.call_name("a84b4c76e66710@pc33"), "a84b4c76e66710@pc33");
        assert_eq!(city.call_name("4c2d1b7a3f5e6091782456ab@192.168.100.150"), "4c2d1b7a3f5e6091782456ab@192.168.100.150");
        for id in [
            "09012345678-1@pbx",
            "x044.999.9999@pbx",
            "1 044 999 9999",
            "+819012345678~call",
            "%30%39%30%31%32%33%34%35%36%37%38@pbx",
            "abc@0398765432.pbx.example",
            "abc@pbx-0398765432",
            "a8f20398765432c3@x",
            "pn9c2u710398765432@x",
        ] {
            let name = city.call_name(id);
            assert!(name.starts_with("hidden-") && name == city.call_name(id) && name != vault(8).call_name(id), "{name}");
        }
        assert_ne!(city.call_name("09012345678-1@pbx"), city.call_name("09012345678-2@pbx"));
    }

    #[test]
    fn each_number_has_one_spelling() {
        for (written, at_home) in [
            ("+819012345678", "09012345678"),
            ("819012345678", "09012345678"),
            ("+8109012345678", "09012345678"),
            ("+81(0)44-000-0000", "0440000000"),
            ("81440000000", "0440000000"),
            ("09012345678", "09012345678"),
            ("8109012345678", "8109012345678"),
            ("81234567", "81234567"),
            ("810123456789", "810123456789"),
            ("+8615812345678", "+8615812345678"),
        ] {
            assert_eq!(national(&Number::parse(written).unwrap()), at_home, "{written}");
        }
    }

    #[test]
    fn the_hash_is_that_of_rfc_4231() {
        // RFC 4231 section 4.3 (test case 2), with the key filled up to 32 bytes by zeros as RFC 2104 fills it up to a block.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hash = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&hash), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_person_is_the_same_all_day_and_another_one_tomorrow() {
        let vault = vault(7);
        let today = vault.person(20_260_824, "08010000001").unwrap();
        assert_eq!(today.as_str().len(), FIGURES);
        assert_eq!(vault.person(20_260_824, "+818010000001").as_ref(), Some(&today), "however the network writes it");
        assert_ne!(vault.person(20_260_825, "08010000001").unwrap(), today);
        assert_ne!(vault.person(20_260_824, "08010000002").unwrap(), today);
        assert_ne!(self::vault(8).person(20_260_824, "08010000001").unwrap(), today, "another city");
    }

    #[test]
    fn a_withheld_number_is_nobody() {
        for withheld in ["anonymous", "", "unavailable", "Anonymous", "+"] {
            assert_eq!(vault(7).person(20_260_824, withheld), None, "{withheld:?}");
        }
    }

    #[test]
    fn a_sealed_number_opens_with_its_key_and_its_claim_only() {
        let mut random = Random::from_number(3);
        let sealed = vault(7).seal(&mut random, TicketId(5), &number("08010000001"));
        assert_eq!(vault(7).open(TicketId(5), &sealed), Some(number("08010000001")));
        assert_eq!(vault(7).open(TicketId(6), &sealed), None, "another claim");
        assert_eq!(vault(8).open(TicketId(5), &sealed), None, "another key");
        let mut changed = sealed.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == '0' { '1' } else { '0' });
        assert_eq!(vault(7).open(TicketId(5), &changed), None, "changed by one figure");
        for broken in ["", "zz", "0", "00", "ünlesbar"] {
            assert_eq!(vault(7).open(TicketId(5), broken), None, "{broken:?}");
        }
        assert!(!sealed.contains("0000001"));
    }

    #[test]
    fn the_same_number_is_sealed_otherwise_each_time() {
        let mut random = Random::from_number(3);
        let one = vault(7).seal(&mut random, TicketId(5), &number("08010000001"));
        assert_ne!(one, vault(7).seal(&mut random, TicketId(5), &number("08010000001")));
        assert_eq!(format!("{:?}", vault(7)), "Vault(***)");
    }
}
