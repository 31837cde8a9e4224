//! tmp
use voxprep_io::*;
fn main() {
    for a in std::env::args().skip(1) {
        let p = std::path::Path::new(&a);
        println!("== {a}");
        let o = ReadOptions::default();
        match series(p, &o) {
            Ok(l) => for s in l {
                println!("  {} | {} | {} | {} | {} frames | {:?} {:?} {:?} | {:?}", s.id, s.description, s.part, s.modality, s.frames, s.header.as_ref().map(|h| h.geometry.size()), s.header.as_ref().map(|h| h.geometry.spacing()), s.header.as_ref().map(|h| (h.element_type, h.unit, h.channels.clone())), s.problem);
            },
            Err(e) => println!("  LIST {e}"),
        }
        match read(p, &o) {
            Ok(v) => { let w = v.voxels(); let (mut lo, mut hi) = (f64::MAX, f64::MIN); let [x,y,z]=w.size(); for c in 0..w.channels() { for k in 0..z { for j in (0..y).step_by(3) { for i in (0..x).step_by(3) { let q = w.get(c,[i,j,k]).unwrap(); lo = lo.min(q); hi = hi.max(q); }}}}
              println!("  READ {:?} {:?} {lo}..{hi} {:?}", w.size(), w.element_type(), v.header().facts.iter().filter(|(k,_)| k.ends_with("warning")).collect::<Vec<_>>()); },
            Err(e) => println!("  READ {e}"),
        }
    }
}
