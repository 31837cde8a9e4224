//! Times of the kernels with warm outputs: `cargo bench -p voxprep-kernels`.

#![allow(clippy::expect_used, reason = "a field of the benchmark is a good one")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::{Array3, Array4, ArrayViewMut3, Axis};
use voxprep_kernels::clahe::{Blocks, Clahe, Extent, Scale, Tiles, clahe, clahe_blocks};
use voxprep_kernels::density::{Density, scott};
use voxprep_kernels::resample::{
    BSpline, Boundary, Dense, DisplacedSampling, Displacement, Order, Outside, RowSink, Sampling,
    Slab, Stage, resample_displaced, resample_into, slabs,
};
use voxprep_kernels::stats::{Distribution, Select, percentiles, summary};
use voxprep_kernels::surface::{Isosurface, marching_cubes};
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

/// The edge of the cubes that are deformed, in voxels of 1 mm.
const EDGE: usize = 128;

/// A spline of `points` control points per axis that move by up to `limit` mm.
fn spline(points: usize, limit: f64) -> Displacement {
    let mut k = 0_u32;
    let control = Array4::from_shape_simple_fn((3, points, points, points), || {
        k += 1;
        (f64::from(k * 7919 % 1009) / 504.0 - 1.0) * limit
    });
    let field = BSpline::new(control.view(), Affine::IDENTITY, [EDGE; 3]);
    field.expect("control points are finite").into()
}

/// The field at every voxel.
fn dense(field: &Displacement) -> Displacement {
    let components = [0, 1, 2].map(|i| {
        Array3::from_shape_fn((EDGE, EDGE, EDGE), |(z, y, x)| {
            field.at([x as f64, y as f64, z as f64])[i] as f32
        })
    });
    let field = Dense::new(components, Affine::IDENTITY, Outside::Identity);
    field.expect("displacements are finite").into()
}

/// A turn about the centre of the cube.
fn turn() -> Affine {
    let turn = [[0.97, 0.12, -0.05], [-0.1, 0.98, 0.15], [0.04, -0.14, 0.97]];
    Affine::from_parts(turn, [0.0; 3]).about([EDGE as f64 / 2.0 - 0.5; 3])
}

/// Stores the rows of a slab.
struct Store<'a, T> {
    first: usize,
    part: ArrayViewMut3<'a, T>,
}

impl<T: Element> RowSink<T::Float> for Store<'_, T> {
    fn row(&mut self, z: usize, y: usize, row: &mut [T::Float]) {
        let mut out = self.part.index_axis_mut(Axis(0), z - self.first);
        for (out, v) in out.index_axis_mut(Axis(0), y).iter_mut().zip(row) {
            *out = T::from_float(*v);
        }
    }
}

fn deform<T: Element>(c: &mut Criterion, name: &str, chain: &[Stage<'_>], order: Order) {
    let source = voxels::<T>((EDGE, EDGE, EDGE));
    let mut out = source.clone();
    let sampling = DisplacedSampling {
        chain,
        order,
        boundary: Boundary::Extent,
        fill: 0.0,
        boxes: &[],
    };
    c.bench_function(name, |b| {
        b.iter(|| {
            let mut rest = out.view_mut();
            let mut parts = Vec::new();
            for z in slabs([EDGE; 3]) {
                let (part, tail) = rest.split_at(Axis(0), z.len());
                let first = z.start;
                parts.push(Slab {
                    z,
                    sink: Store { first, part },
                });
                rest = tail;
            }
            resample_displaced(source.view(), [EDGE; 3], &sampling, parts)
        });
    });
}

/// Image and label of a cube through splines, turned before and not, and through a dense field.
fn elastic(c: &mut Criterion) {
    let (coarse, fine) = (spline(7, 7.5), spline(19, 2.0));
    let dense = dense(&coarse);
    for (name, field) in [
        ("spline 7", &coarse),
        ("spline 19", &fine),
        ("dense", &dense),
    ] {
        for (front, map) in [("", Affine::IDENTITY), (" turned", turn())] {
            let chain = [Stage::Affine(map), Stage::Displacement(field)];
            let title = |what| format!("deform {name}{front} {what}");
            deform::<f32>(c, &title("Linear f32"), &chain, Order::Linear);
            deform::<u8>(c, &title("Nearest u8"), &chain, Order::Nearest);
        }
    }
    let chain = [Stage::Affine(turn()), Stage::Displacement(&coarse)];
    deform::<f32>(c, "deform spline 7 turned Cubic f32", &chain, Order::Cubic);
    for (name, field) in [
        ("spline 7", &coarse),
        ("spline 19", &fine),
        ("dense", &dense),
    ] {
        let grid = Affine::IDENTITY;
        c.bench_function(&format!("jacobian_min {name}"), |b| {
            b.iter(|| field.jacobian_min(&grid, [EDGE; 3]));
        });
        let folded = field.scaled(4.0).expect("the factor is finite");
        c.bench_function(&format!("unfolding_scale {name}"), |b| {
            b.iter(|| folded.unfolding_scale(&grid, [EDGE; 3]));
        });
        c.bench_function(&format!("max_displacement {name}"), |b| {
            b.iter(|| field.max_displacement(&grid, [EDGE; 3]));
        });
    }
    c.bench_function("jacobian_min spline 7 turned", |b| {
        b.iter(|| coarse.jacobian_min(&turn(), [EDGE; 3]));
    });
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

/// 27 balls in 256 x 256 x 256 voxels.
fn contour<T: Element>(c: &mut Criterion, name: &str) {
    let balls = Array3::from_shape_fn((256, 256, 256), |index| {
        let squares = [index.0, index.1, index.2].map(|i| {
            let d = (i % 85) as f64 - 42.3;
            d * d
        });
        T::from_f64(35.0 - squares.iter().sum::<f64>().sqrt())
    });
    let isosurface = Isosurface {
        level: 0.5,
        padding: Some(0.0),
        world_from_index: Affine::scaling([0.7, 0.7, 1.5]),
    };
    c.bench_function(&format!("marching cubes {name}"), |b| {
        b.iter(|| marching_cubes(black_box(balls.view()), &isosurface));
    });
}

fn all(c: &mut Criterion) {
    respace::<i16>(c, "i16");
    respace::<f32>(c, "f32");
    rotate::<i16>(c, "i16");
    rotate::<f32>(c, "f32");
    rotate::<u8>(c, "u8");
    elastic(c);
    statistics::<i16>(c, "i16");
    statistics::<f32>(c, "f32");
    smooth(c);
    distribution::<i16>(c, "i16");
    distribution::<f32>(c, "f32");
    equalise::<u8>(c, "u8");
    equalise::<u16>(c, "u16");
    contour::<i16>(c, "i16");
    contour::<f32>(c, "f32");
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10);
    targets = all
}
criterion_main!(kernels);
