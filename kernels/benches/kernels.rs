//! Times of the kernels with warm outputs: `cargo bench -p voxprep-kernels`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array3;
use voxprep_kernels::clahe::{Blocks, Clahe, Extent, Scale, Tiles, clahe, clahe_blocks};
use voxprep_kernels::density::{Density, scott};
use voxprep_kernels::resample::{Boundary, Order, Sampling, resample_into};
use voxprep_kernels::stats::{Distribution, Select, percentiles, summary};
use voxprep_kernels::{Affine, Element, Error, gaussian};

fn voxels<T: Element>(shape: (usize, usize, usize)) -> Array3<T> {
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let noise = (z * 7919 + y * 104_729 + x * 1_299_709) % 1009;
        T::from_f64((x + 2 * y) as f64 * 0.5 + noise as f64 * 0.1 - 300.0)
    })
}

fn sampling(source_from_out: Affine, order: Order) -> Sampling<'static> {
    Sampling {
        source_from_out,
        order,
        boundary: Boundary::Extent,
        fill: -1000.0,
        boxes: &[],
    }
}

/// A CT of 512 x 512 x 300 voxels of 0.7 x 0.7 x 1.5 mm to 1 mm.
fn respace<T: Element>(c: &mut Criterion, name: &str) {
    let source = voxels::<T>((300, 512, 512));
    let step = [1.0 / 0.7, 1.0 / 0.7, 1.0 / 1.5];
    let corner = Affine::translation(step.map(|s| 0.5 * (s - 1.0)));
    let map = corner * Affine::scaling(step);
    let mut out = Array3::from_elem((450, 358, 358), T::default());
    for order in [Order::Nearest, Order::Linear, Order::Cubic] {
        c.bench_function(&format!("respace {order:?} {name}"), |b| {
            b.iter(|| resample_into(source.view(), &sampling(map, order), out.view_mut()));
        });
    }
}

fn rotate<T: Element>(c: &mut Criterion, name: &str) {
    let source = voxels::<T>((180, 256, 256));
    let turn = [[0.97, 0.12, -0.05], [-0.1, 0.98, 0.15], [0.04, -0.14, 0.97]];
    let map = Affine::from_parts(turn, [0.0; 3]).about([127.5, 127.5, 89.5]);
    let mut out = source.clone();
    for order in [Order::Nearest, Order::Linear, Order::Cubic] {
        c.bench_function(&format!("rotate {order:?} {name}"), |b| {
            b.iter(|| resample_into(source.view(), &sampling(map, order), out.view_mut()));
        });
    }
}

fn statistics<T: Element>(c: &mut Criterion, name: &str) {
    let source = voxels::<T>((300, 512, 512));
    c.bench_function(&format!("two percentiles {name}"), |b| {
        b.iter(|| percentiles(black_box(source.view()), &Select::All, &[0.5, 99.5]));
    });
    c.bench_function(&format!("summary {name}"), |b| {
        b.iter(|| summary(black_box(source.view()), &Select::All));
    });
}

fn smooth(c: &mut Criterion) {
    let source = voxels::<f32>((128, 256, 256));
    let mut out = source.clone();
    for sigma in [1.0, 3.0] {
        c.bench_function(&format!("gaussian sigma {sigma} f32"), |b| {
            b.iter(|| gaussian(source.view(), [sigma; 3], 4.0, out.view_mut()));
        });
    }
}

/// A radiograph, slices of a CT, and a volume.
fn equalise<T: Element>(c: &mut Criterion, name: &str) {
    let mut options = Clahe {
        tiles: Tiles::Count([8, 8, 8]),
        clip_limit: 2.0,
        scale: Scale::Type,
        extent: Extent::Slices,
    };
    for shape in [(1, 2500, 2048), (300, 512, 512)] {
        let source = voxels::<T>(shape).mapv(|v| T::from_f64(v.to_f64().abs().min(4095.0)));
        let mut out = source.clone();
        c.bench_function(&format!("clahe {shape:?} {name}"), |b| {
            b.iter(|| clahe(source.view(), &options, out.view_mut()));
        });
    }
    let source = voxels::<T>((150, 256, 256));
    let mut out = source.clone();
    options.extent = Extent::Volume;
    c.bench_function(&format!("clahe in boxes {name}"), |b| {
        b.iter(|| clahe(source.view(), &options, out.view_mut()));
    });
    let blocks = Blocks {
        size: None,
        clip_limit: 0.01,
        bins: 256,
        extent: Extent::Volume,
    };
    let mut grey = ndarray::Array3::zeros(source.dim());
    c.bench_function(&format!("clahe by blocks {name}"), |b| {
        b.iter(|| clahe_blocks(source.view(), &blocks, grey.view_mut()));
    });
}

/// What White Stripe asks of an MRI of 256 x 256 x 180 voxels.
fn distribution<T: Element>(c: &mut Criterion, name: &str) {
    let source = voxels::<T>((180, 256, 256));
    let select = Select::Above(0.0);
    c.bench_function(&format!("distribution {name}"), |b| {
        b.iter(|| Distribution::new(black_box(source.view()), &select));
    });
    c.bench_function(&format!("peak and stripe {name}"), |b| {
        b.iter(|| {
            let distribution = Distribution::new(black_box(source.view()), &select)?;
            let points = distribution.points();
            let width = scott(&points).unwrap_or(1.0);
            let density = Density::new(&points, width, 4096);
            let ends = distribution.percentiles(&[60.0, 70.0])?;
            Ok::<_, Error>((density, distribution.between(ends[0], ends[1])))
        });
    });
}

fn all(c: &mut Criterion) {
    respace::<i16>(c, "i16");
    respace::<f32>(c, "f32");
    rotate::<i16>(c, "i16");
    rotate::<f32>(c, "f32");
    statistics::<i16>(c, "i16");
    statistics::<f32>(c, "f32");
    smooth(c);
    distribution::<i16>(c, "i16");
    distribution::<f32>(c, "f32");
    equalise::<u8>(c, "u8");
    equalise::<u16>(c, "u16");
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10);
    targets = all
}
criterion_main!(kernels);
