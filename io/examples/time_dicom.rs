//! tmp
use voxprep_io::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = std::path::Path::new(&a[1]);
    let o = ReadOptions::default();
    for _ in 0..6 {
        let t = std::time::Instant::now();
        let h = read_header(p, &o).unwrap();
        let th = t.elapsed();
        let t = std::time::Instant::now();
        let v = read(p, &o).unwrap();
        println!("header {:.3?} read {:.3?} {:?} {:?}", th, t.elapsed(), v.voxels().size(), h.element_type);
    }
}
