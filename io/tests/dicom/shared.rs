//! Where the real scans are, and how two volumes are compared.

use std::path::PathBuf;

use voxprep_core::volume::Volume;

/// The folder of shared data, if it is there.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("VOXPREP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let data = folder.join("data");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no ../shared");
    None
}

/// How far apart two volumes are: the greatest distance of two voxels that should be at one place,
/// mm, and the greatest difference of their values.
///
/// # Panics
/// If the voxels of one are not those of the other, in whatever order.
pub(crate) fn compare(ours: &Volume, reference: &Volume) -> (f64, f64) {
    let count = |v: &Volume| v.voxels().size().iter().product::<usize>();
    assert_eq!(count(ours), count(reference), "the number of voxels");
    let into = ours.geometry().index_from_world();
    let to = ours.geometry().world_from_index();
    let channels = ours.voxels().channels();
    // Some references have a fourth colour, which is constant.
    let theirs = reference.voxels().channels();
    assert!(
        channels == theirs || (channels, theirs) == (3, 4),
        "{channels} {theirs}"
    );
    let [nx, ny, nz] = reference.voxels().size();
    let size = ours.voxels().size();
    let (mut apart, mut differ) = (0.0_f64, 0.0_f64);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let index = [i as f64, j as f64, k as f64];
                let world = reference.geometry().world_from_index().apply(index);
                let at = into.apply(world).map(f64::round);
                let inside = (0..3).all(|a| at[a] >= 0.0 && (at[a] as usize) < size[a]);
                assert!(inside, "{at:?} is outside of {size:?}");
                let back = to.apply(at);
                let off = (0..3).map(|a| (back[a] - world[a]).powi(2)).sum::<f64>();
                apart = apart.max(off.sqrt());
                for channel in 0..channels {
                    let mine = ours.voxels().get(channel, at.map(|v| v as usize)).unwrap();
                    let theirs = reference.voxels().get(channel, [i, j, k]).unwrap();
                    assert_eq!(mine.is_nan(), theirs.is_nan());
                    differ = differ.max((mine - theirs).abs());
                }
            }
        }
    }
    (apart, differ)
}
