//! Texts that repeat who the patient is: his name and identifiers as the header spells them, looked for
//! in the texts that the profile keeps.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec as _};

use super::edit::charset;
use super::elements::Element;
use super::file::Whole;
use super::identifiers::{Family, usual_vr};

/// Shorter words are a part of many others, and are looked for as words only.
const PART: usize = 4;
/// The same of scripts whose letters say more.
const PART_OF_SYMBOLS: usize = 2;
/// Shorter parts of a name, and shorter identifiers in codes, are in every header: Li, MR, 1.
const WORD: usize = 3;
/// Names and identifiers have fewer parts; so many are looked for in every text.
const PARTS: usize = 64;

/// What would give the patient away in a text.
pub(super) struct Mentions {
    charset: Option<SpecificCharacterSet>,
    words: Vec<Word>,
}

struct Word {
    /// In small letters.
    text: String,
    is_identifier: bool,
}

impl Word {
    /// Whether it is looked for inside of longer words.
    fn is_part(&self) -> bool {
        let is_symbol = |letter| letter >= '\u{2E80}';
        let least = if self.text.chars().any(is_symbol) {
            PART_OF_SYMBOLS
        } else {
            PART
        };
        self.text.chars().count() >= least
    }

    fn is_short(&self) -> bool {
        self.text.chars().count() < WORD
    }

    /// Whether it is in a text: for itself, where letters do not run on into letters nor digits
    /// into digits.
    fn is_alone_in(&self, text: &str) -> bool {
        let run_on = |a: Option<char>, b: Option<char>| {
            let (Some(a), Some(b)) = (a, b) else {
                return false;
            };
            (a.is_alphabetic() && b.is_alphabetic()) || (a.is_numeric() && b.is_numeric())
        };
        text.match_indices(&self.text).any(|(at, found)| {
            let (before, after) = (text.get(..at), text.get(at + found.len()..));
            !run_on(
                before.and_then(|t| t.chars().next_back()),
                found.chars().next(),
            ) && !run_on(
                found.chars().next_back(),
                after.and_then(|t| t.chars().next()),
            )
        })
    }

    fn is_in(&self, text: &str) -> bool {
        if self.is_part() {
            text.contains(&self.text)
        } else {
            self.is_alone_in(text)
        }
    }
}

/// Letters without the difference of large and small: ß is ss.
fn folded(text: &str) -> String {
    let large = text.chars().flat_map(char::to_uppercase);
    large.flat_map(char::to_lowercase).collect()
}

/// The letters of a text; of an unknown character set, one for each byte.
fn decoded(bytes: &[u8], charset: Option<&SpecificCharacterSet>) -> String {
    let known = match charset {
        Some(charset) => charset.decode(bytes).ok(),
        None => std::str::from_utf8(bytes).ok().map(str::to_owned),
    };
    folded(&known.unwrap_or_else(|| bytes.iter().map(|byte| char::from(*byte)).collect()))
}

/// There are more parts than anybody's name has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Mentions {
    /// Those of a file.
    ///
    /// # Errors
    /// Where the name has more parts than are looked for.
    pub(super) fn of(whole: &Whole) -> Result<Self, TooMany> {
        let charset = charset(whole.text(tags::SPECIFIC_CHARACTER_SET).as_deref());
        let text = |tag| decoded(whole.value(tag), charset.as_ref());
        let (name, identifier) = (text(tags::PATIENT_NAME), text(tags::PATIENT_ID));
        Self::new(charset, &name, &identifier)
    }

    fn new(
        charset: Option<SpecificCharacterSet>,
        name: &str,
        identifier: &str,
    ) -> Result<Self, TooMany> {
        let is_between = |letter: char| "^= ,_-./\\\0".contains(letter);
        let parts = name.split(is_between).map(|part| (part, false));
        let whole = identifier
            .split(['\\', '\0'])
            .map(|part| (part.trim(), true));
        let mut words: Vec<Word> = Vec::new();
        for (part, is_identifier) in parts.chain(whole) {
            let word = Word {
                text: part.to_owned(),
                is_identifier,
            };
            let is_sought =
                !part.is_empty() && (is_identifier || word.is_part() || !word.is_short());
            if is_sought && !words.iter().any(|known| known.text == part) {
                words.push(word);
            }
            if words.len() > PARTS {
                return Err(TooMany);
            }
        }
        Ok(Self { charset, words })
    }

    /// What becomes of a text that repeats who the patient is: of codes those that do are replaced, all
    /// else is kept; `None` where the text repeats nothing.
    pub(super) fn without(&self, element: &Element<'_>, dummy: &[u8]) -> Option<Vec<u8>> {
        let (vr, usual) = (element.vr, usual_vr(element.tag));
        let is_text = [vr, usual].map(Family::of).contains(&Family::Text);
        if !is_text || self.words.is_empty() {
            return None;
        }
        let is_number = |vr| matches!(vr, VR::DS | VR::IS | VR::TM | VR::AS);
        if vr == VR::CS && usual == VR::CS {
            let codes = element.value.split(|byte| *byte == b'\\');
            let codes: Vec<&[u8]> = codes
                .map(|code| {
                    if self.is_code_of(element, code) {
                        dummy.trim_ascii()
                    } else {
                        code
                    }
                })
                .collect();
            let new = codes.join(&b'\\');
            return (new != element.value).then_some(new);
        }
        let text = decoded(element.value, self.charset.as_ref());
        let repeats = self.words.iter().any(|word| {
            // Numbers repeat no number: an identifier of digits is in many of them.
            let is_sought =
                !is_number(vr) || (!word.is_short() && word.text.chars().all(char::is_alphabetic));
            is_sought && word.is_in(&text)
        });
        repeats.then(|| dummy.to_vec())
    }

    /// Whether a code names the patient: as a word of its own, because codes are words themselves.
    fn is_code_of(&self, element: &Element<'_>, code: &[u8]) -> bool {
        // Nothing can be shown without these, and they are of few terms.
        if matches!(
            element.tag,
            tags::MODALITY | tags::PHOTOMETRIC_INTERPRETATION
        ) {
            return false;
        }
        let text = decoded(code, self.charset.as_ref());
        let is_same =
            |word: &Word| word.is_identifier && text.trim_matches([' ', '\0']) == word.text;
        self.words
            .iter()
            .any(|word| !word.is_short() && (is_same(word) || word.is_alone_in(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(name: &str, identifier: &str, text: &str) -> bool {
        let mentions = Mentions::new(None, &folded(name), &folded(identifier)).unwrap();
        let text = folded(text);
        mentions.words.iter().any(|word| word.is_in(&text))
    }

    #[test]
    fn names_are_found_whatever_the_size_of_their_letters_and_short_ones_as_words() {
        for (name, identifier, text, expected) in [
            ("Müller^Jörg", "", "knie MÜLLER", true),
            ("Weiß^Anna", "", "WEISS 2", true),
            ("Meier-Lang", "", "t1 lang", true),
            ("Doe^J", "", "seq of doe", true),
            ("Doe^J", "", "does nothing", false),
            ("", "17", "case 17", true),
            ("", "17", "t1 170 mm", false),
            ("", "A1", "a1", true),
            ("山田^太郎", "", "頭部山田", true),
            ("Li^Mr", "", "mr of the head", false),
        ] {
            assert_eq!(repeats(name, identifier, text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_of_endless_parts_is_refused_before_it_is_looked_for() {
        let name: Vec<String> = (0..65).map(|i| format!("part{i}")).collect();
        assert_eq!(
            Mentions::new(None, &name.join("^"), "").err(),
            Some(TooMany)
        );
        assert!(Mentions::new(None, &name[..64].join("^"), "").is_ok());
    }
}
