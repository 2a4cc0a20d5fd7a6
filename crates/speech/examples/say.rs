//! Says a Japanese text into a WAV and prints how it was read: `cargo run --release -p toritsugi-speech --example say -- 令和2年 out.wav`

use model::Lang;
use speech::{Request, Speech};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().ok_or("usage: say TEXT [OUT.wav]")?;
    let mut speech = Speech::open(&std::env::temp_dir().join("toritsugi-say"), BTreeMap::new())?;
    println!("{}", speech.reading(&text)?);
    let Some(file) = arguments.next() else { return Ok(()) };
    let began = Instant::now();
    let pcm = speech.render(&Request { lang: Lang::from("ja"), text, reading: None })?;
    println!("{:.2?} of sound in {:.2?}", pcm.length(), began.elapsed());
    let spec = hound::WavSpec { channels: 1, sample_rate: pcm.rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(file, spec)?;
    for sample in pcm.samples {
        writer.write_sample(sample)?;
    }
    Ok(writer.finalize()?)
}
