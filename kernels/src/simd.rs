//! Which instruction set the kernels run on: chosen once, at run time.
//!
//! A kernel is written once, as plain loops, and compiled three times by `dispatched!`. The
//! compiler neither contracts `a * b + c` nor reorders sums, so the level changes the speed only.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::Error;

/// An instruction set that the kernels are compiled for, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What every processor of the architecture has (SSE2 on x86-64).
    Baseline = 0,
    /// AVX2 and BMI2.
    Avx2 = 1,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512 = 2,
}

impl Level {
    /// Every level, in rising order.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Avx2, Self::Avx512];

    /// The name of the level in `VOXPREP_SIMD`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// The level that `VOXPREP_SIMD` asks for, `None` where it is unset or empty.
///
/// # Errors
///
/// [`Error::SimdLevel`] for any other word; [`level`] then acts as if the variable were unset.
pub fn requested() -> Result<Option<Level>, Error> {
    match std::env::var("VOXPREP_SIMD") {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::SimdLevel),
        Ok(word) if word.is_empty() => Ok(None),
        Ok(word) => Level::ALL
            .into_iter()
            .find(|level| level.name() == word)
            .map(Some)
            .ok_or(Error::SimdLevel),
    }
}

/// The highest level that this processor has.
pub fn best() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Baseline
}

/// No level is forced.
const FREE: u8 = u8::MAX;

static FORCED: AtomicU8 = AtomicU8::new(FREE);

/// The level that the kernels run on: the requested one, or the best one below it that this
/// processor has. `VOXPREP_SIMD` is read once, at the first call.
pub fn level() -> Level {
    static CHOSEN: OnceLock<Level> = OnceLock::new();
    match FORCED.load(Ordering::Relaxed) {
        0 => Level::Baseline,
        1 => Level::Avx2,
        2 => Level::Avx512,
        _ => *CHOSEN.get_or_init(|| {
            let best = best();
            requested().ok().flatten().map_or(best, |r| r.min(best))
        }),
    }
}

/// Runs `work` with every kernel of the process on `level`, or on the best supported one below.
///
/// For tests. Calls from several threads wait for each other.
#[doc(hidden)]
pub fn with_level<R>(level: Level, work: impl FnOnce() -> R) -> R {
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            FORCED.store(FREE, Ordering::Relaxed);
        }
    }
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _release = Release;
    FORCED.store(level.min(best()) as u8, Ordering::Relaxed);
    work()
}

/// Compiles a function once per [`Level`] and calls the one that [`level`] names.
///
/// The generics stand in square brackets: `fn scale[F: Float](row: &mut [F], by: F) { .. }`.
/// Everything the body calls must be `#[inline(always)]`, or it runs on the baseline.
macro_rules! dispatched {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident [$($generics:tt)*] ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?
        $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name<$($generics)*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn portable<$($generics)*>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            #[allow(clippy::too_many_arguments)]
            fn avx2<$($generics)*>($($arg: $ty),*) $(-> $ret)? {
                portable($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(
                enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
            )]
            #[allow(clippy::too_many_arguments)]
            fn avx512<$($generics)*>($($arg: $ty),*) $(-> $ret)? {
                portable($($arg),*)
            }

            match $crate::simd::level() {
                // SAFETY: `level` names only levels whose features `best` has found.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                _ => portable($($arg),*),
            }
        }
    };
}
pub(crate) use dispatched;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_level_holds_inside_and_is_released_after() {
        let outside = level();
        with_level(Level::Baseline, || assert_eq!(level(), Level::Baseline));
        assert_eq!(level(), outside);
    }

    #[test]
    fn a_level_the_processor_lacks_falls_to_the_best_below() {
        with_level(Level::Avx512, || assert_eq!(level(), best()));
    }

    #[test]
    fn names_are_unlike_each_other() {
        assert_eq!(Level::ALL.map(Level::name), ["baseline", "avx2", "avx512"]);
    }
}
