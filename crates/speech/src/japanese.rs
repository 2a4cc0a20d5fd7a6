//! The built-in Japanese voice: text to readings and accents (jpreprocess), those to sound (jbonsai, HTS voice "Mei").
//!
//! Loading takes a quarter of a second and 90 MB, so it is done at the first sentence that no cache holds. One sentence takes about 1 to 3 % of
//! the time that it sounds.

use crate::fault::Fault;
use crate::resample::to_telephone;
use crate::{dictionary, words};
use jpreprocess::{DefaultTokenizer, JPreprocess, NJD, SystemDictionaryConfig};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

static VOICE: &[u8] = include_bytes!("../data/mei_normal.htsvoice");

/// Name of the voice, and a name for each of its files that there may ever be.
pub(crate) const VOICE_NAME: &str = "mei_normal-f3be49a6";
/// 1.0 is the voice's own speed, about 7 moras a second: a calm announcer.
pub(crate) const SPEED: f64 = 1.0;

/// The loaded engine.
pub(crate) struct Japanese {
    reader: JPreprocess<DefaultTokenizer>,
    voice: jbonsai::Engine,
}

impl Japanese {
    /// Loads dictionary and voice; `home` is where the dictionary is, or will be, unpacked.
    pub(crate) fn load(home: &Path) -> Result<Japanese, Fault> {
        let directory = dictionary::ensure(home)?;
        let fault = |why: String| Fault::Engine { path: directory.clone(), why };
        let system = SystemDictionaryConfig::File(directory.clone()).load().map_err(|e| fault(e.to_string()))?;
        let own = words::dictionary().map_err(fault)?;
        let mut voice = jbonsai::Engine::load_from_bytes([VOICE]).map_err(|e| fault(e.to_string()))?;
        voice.condition.set_speed(SPEED);
        Ok(Japanese { reader: JPreprocess::with_dictionaries(system, Some(own)), voice })
    }

    /// The reading in katakana, as it will be spoken; `、` is a pause. Empty if nothing can be spoken.
    pub(crate) fn reading(&self, text: &str) -> Result<String, Fault> {
        guarded(text, || self.read_out(text))
    }

    fn read_out(&self, text: &str) -> Result<String, Fault> {
        let mut sentence = self.parse(text)?;
        sentence.preprocess();
        let reading: String = sentence.nodes.iter().map(|node| node.get_pron().to_pure_string()).collect();
        // ’ marks a whispered vowel.
        Ok(reading.replace('’', ""))
    }

    /// Samples of -1 to 1 at 8 kHz, as loud as the voice made them. Empty if nothing can be spoken.
    pub(crate) fn speak(&self, text: &str) -> Result<Vec<f32>, Fault> {
        guarded(text, || self.synthesise(text))
    }

    fn synthesise(&self, text: &str) -> Result<Vec<f32>, Fault> {
        let mut sentence = self.parse(text)?;
        sentence.preprocess();
        let labels = jpreprocess_jpcommon::njdnodes_to_features(&sentence.nodes);
        let samples = self.voice.synthesize(labels).map_err(|_| Fault::Unspeakable(text.to_owned()))?;
        // The voice's full scale is that of 16 bits.
        let samples: Vec<f32> = samples.into_iter().map(|s| (s / 32_768.0) as f32).collect();
        let rate = u32::try_from(self.voice.condition.get_sampling_frequency()).unwrap_or(48_000);
        Ok(to_telephone(rate, &samples))
    }

    fn parse(&self, text: &str) -> Result<NJD, Fault> {
        let mut sentence = self.reader.text_to_njd(&words::prepare(text)).map_err(|_| Fault::Unspeakable(text.to_owned()))?;
        // Easy Japanese is written with spaces between words. They tell where words end, which is why they stay until here; they are no pauses,
        // except between two numbers.
        let number = |c: Option<char>| c.is_some_and(|c| ('０'..='９').contains(&c));
        let nodes = &sentence.nodes;
        let pauses: Vec<bool> = (0..nodes.len())
            .map(|i| {
                let before = i.checked_sub(1).and_then(|i| nodes.get(i)).and_then(|n| n.get_string().chars().last());
                nodes[i].get_string() != "　" || number(before) && number(nodes.get(i + 1).and_then(|n| n.get_string().chars().next()))
            })
            .collect();
        let mut keep = pauses.into_iter();
        sentence.nodes.retain(|_| keep.next().unwrap_or(true));
        Ok(sentence)
    }
}

/// No text that somebody writes into a prompt may end the engine, whatever it does to the crates that read and speak it. They are only read
/// here, so a panic leaves nothing half-changed: such a text is one that cannot be spoken.
fn guarded<T>(text: &str, speak: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(speak)).unwrap_or_else(|_| Err(Fault::Unspeakable(text.to_owned())))
}
