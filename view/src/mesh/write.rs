//! Mesh files: PLY, STL, OBJ, in millimetres.

use std::io::Write;

use super::Mesh;
use crate::error::{Error, Result};

/// The format of a mesh file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Polygon file format, binary little endian, with normals.
    Ply,
    /// Stereolithography, binary: single triangles with their normals.
    Stl,
    /// Wavefront OBJ, text, with normals.
    Obj,
}

/// The axes of the world in a mesh file. The file says which, in the words of 3D Slicer:
/// `SPACE=LPS` or `SPACE=RAS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// Left, posterior, superior, as in DICOM.
    #[default]
    Lps,
    /// Right, anterior, superior, as in NIfTI.
    Ras,
}

impl Frame {
    /// The name of the frame.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lps => "LPS",
            Self::Ras => "RAS",
        }
    }

    /// A vector of LPS+ in this frame. RAS+ is half a turn about z: nothing is mirrored.
    fn vector(self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Lps => [x, y, z],
            Self::Ras => [-x, -y, z],
        }
    }
}

impl Format {
    /// The usual ending of such a file's name, with its dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ply => ".ply",
            Self::Stl => ".stl",
            Self::Obj => ".obj",
        }
    }
}

/// Bytes are handed on in parts of at least this many.
const PART: usize = 1 << 16;

impl Mesh {
    /// Writes the mesh as a file.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses, [`Error::Core`] where PLY, which numbers vertices
    /// with 31 bits, cannot hold the mesh.
    pub fn write(&self, format: Format, frame: Frame, out: &mut impl Write) -> Result<()> {
        if format == Format::Ply && self.vertices.len() > i32::MAX as usize {
            return Err(Error::input(
                format!("{} vertices are too many for PLY", self.vertices.len()),
                "write STL or OBJ",
            ));
        }
        if self.normals.len() != self.vertices.len() {
            return Err(Error::input(
                format!(
                    "{} vertices have {} normals",
                    self.vertices.len(),
                    self.normals.len()
                ),
                "make the mesh of a surface, which computes them",
            ));
        }
        let written = match format {
            Format::Ply => self.write_ply(frame, out),
            Format::Stl => self.write_stl(frame, out),
            Format::Obj => self.write_obj(frame, out),
        };
        written.map_err(|source| Error::Io {
            action: "writing a mesh",
            source,
        })
    }

    /// The mesh as the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Core`] as [`Mesh::write`].
    pub fn to_bytes(&self, format: Format, frame: Frame) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(format, frame, &mut bytes)?;
        Ok(bytes)
    }

    fn write_ply(&self, frame: Frame, out: &mut impl Write) -> std::io::Result<()> {
        write!(
            out,
            "ply\nformat binary_little_endian 1.0\ncomment voxprep SPACE={} UNIT=mm\n\
             element vertex {}\nproperty float x\nproperty float y\nproperty float z\n\
             property float nx\nproperty float ny\nproperty float nz\n\
             element face {}\nproperty list uchar int vertex_indices\nend_header\n",
            frame.name(),
            self.vertices.len(),
            self.triangles.len()
        )?;
        let mut part = Vec::with_capacity(2 * PART);
        for (vertex, normal) in self.vertices.iter().zip(&self.normals) {
            put(&mut part, frame.vector(*vertex));
            put(&mut part, frame.vector(*normal));
            flush(&mut part, out, PART)?;
        }
        for triangle in &self.triangles {
            part.push(3);
            part.extend(triangle.iter().flat_map(|i| i.to_le_bytes()));
            flush(&mut part, out, PART)?;
        }
        flush(&mut part, out, 0)
    }

    fn write_stl(&self, frame: Frame, out: &mut impl Write) -> std::io::Result<()> {
        // A header that began with `solid` would be taken for text.
        let mut header = format!("voxprep SPACE={} UNIT=mm", frame.name()).into_bytes();
        header.resize(80, b' ');
        out.write_all(&header)?;
        out.write_all(&(self.triangles.len() as u32).to_le_bytes())?;
        let mut part = Vec::with_capacity(2 * PART);
        for triangle in &self.triangles {
            put(&mut part, frame.vector(self.unit_normal(triangle)));
            for corner in triangle {
                put(&mut part, frame.vector(self.vertices[*corner as usize]));
            }
            part.extend([0; 2]);
            flush(&mut part, out, PART)?;
        }
        flush(&mut part, out, 0)
    }

    fn write_obj(&self, frame: Frame, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "# voxprep SPACE={} UNIT=mm", frame.name())?;
        let mut part = Vec::with_capacity(2 * PART);
        for (word, vectors) in [("v", &self.vertices), ("vn", &self.normals)] {
            for vector in vectors {
                // + 0: no minus before a zero
                let [x, y, z] = frame.vector(*vector).map(|v| v + 0.0);
                writeln!(part, "{word} {x} {y} {z}")?;
                flush(&mut part, out, PART)?;
            }
        }
        for triangle in &self.triangles {
            let [a, b, c] = triangle.map(|i| u64::from(i) + 1);
            writeln!(part, "f {a}//{a} {b}//{b} {c}//{c}")?;
            flush(&mut part, out, PART)?;
        }
        flush(&mut part, out, 0)
    }
}

fn put(part: &mut Vec<u8>, vector: [f32; 3]) {
    part.extend(vector.iter().flat_map(|v| v.to_le_bytes()));
}

/// Hands the bytes on if there are at least so many.
fn flush(part: &mut Vec<u8>, out: &mut impl Write, least: usize) -> std::io::Result<()> {
    if part.len() >= least {
        out.write_all(part)?;
        part.clear();
    }
    Ok(())
}
