//! How long things take, by chance: gaps between calls, calls, patience.

use model::Random;
use std::f64::consts::TAU;
use std::time::Duration;

/// A distribution of lengths of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// It never comes to that: callers with infinite patience.
    Never,
    /// Always as long.
    Fixed {
        /// Seconds.
        secs: f64,
    },
    /// Without memory.
    Exponential {
        /// The mean.
        mean_secs: f64,
    },
    /// The logarithm is normal: what talk times look like when somebody measures them (L. Brown and others, "Statistical analysis of a
    /// telephone call center", 2005).
    Lognormal {
        /// The mean, of the length and not of its logarithm.
        mean_secs: f64,
        /// Standard deviation over mean.
        variation: f64,
    },
}

impl Spread {
    /// One length; `None` for [`Spread::Never`].
    pub fn draw(&self, random: &mut Random) -> Option<Duration> {
        let secs = match *self {
            Spread::Never => return None,
            Spread::Fixed { secs } => secs,
            Spread::Exponential { mean_secs } => -mean_secs * above_zero(random).ln(),
            Spread::Lognormal { mean_secs, variation } => {
                let variance = (1.0 + variation * variation).ln();
                // Box and Muller; the second of the pair is let go.
                let normal = (-2.0 * above_zero(random).ln()).sqrt() * (TAU * random.unit()).cos();
                mean_secs * (variance.sqrt() * normal - variance / 2.0).exp()
            }
        };
        // Saturates: beyond five hundred years nobody is left to wait.
        Some(Duration::from_nanos((secs * 1e9) as u64))
    }
}

/// A number in `(0, 1]`, whose logarithm is finite.
fn above_zero(random: &mut Random) -> f64 {
    1.0 - random.unit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(spread: Spread) -> (f64, f64) {
        let (mut random, draws) = (Random::from_number(1), 200_000);
        let lengths: Vec<f64> = (0..draws).filter_map(|_| spread.draw(&mut random)).map(|d| d.as_secs_f64()).collect();
        let mean = lengths.iter().sum::<f64>() / f64::from(draws);
        let variance = lengths.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(draws);
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn lengths_have_the_mean_and_the_variation_that_they_are_made_with() {
        let (mean, variation) = moments(Spread::Exponential { mean_secs: 300.0 });
        assert!((mean / 300.0 - 1.0).abs() < 0.01 && (variation - 1.0).abs() < 0.01, "{mean} {variation}");
        let (mean, variation) = moments(Spread::Lognormal { mean_secs: 240.0, variation: 1.3 });
        assert!((mean / 240.0 - 1.0).abs() < 0.02 && (variation / 1.3 - 1.0).abs() < 0.05, "{mean} {variation}");
        assert_eq!(moments(Spread::Fixed { secs: 5.0 }).0, 5.0);
        assert_eq!(Spread::Never.draw(&mut Random::from_number(1)), None);
    }
}
