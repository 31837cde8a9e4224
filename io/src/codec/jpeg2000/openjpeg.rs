//! openjp2, the OpenJPEG library in Rust.

use std::ffi::c_void;
use std::ptr::NonNull;

use openjp2::openjpeg::{
    opj_dparameters_t, opj_stream_create, opj_stream_destroy, opj_stream_set_read_function,
    opj_stream_set_seek_function, opj_stream_set_skip_function, opj_stream_set_user_data,
    opj_stream_set_user_data_length, opj_stream_t,
};
use openjp2::{Codec, OPJ_CODEC_FORMAT, Stream};

use super::super::{Frame, Outcome, Refusal};
use super::Header;

/// Decodes a codestream, and hands each component's samples on.
pub(super) fn decode(
    stream: &[u8],
    header: &Header,
    frame: &Frame,
    mut each: impl FnMut(usize, &[i32]),
) -> Outcome<()> {
    let damaged = || Refusal::damaged("the JPEG 2000 stream is damaged");
    let mut source = Source {
        bytes: stream,
        at: 0,
    };
    let mut input = Input::new(&mut source).ok_or_else(damaged)?;
    let mut codec = Codec::new_decoder(OPJ_CODEC_FORMAT::OPJ_CODEC_J2K).ok_or_else(damaged)?;
    let mut parameters = opj_dparameters_t::default();
    if codec.setup_decoder(&mut parameters) != 1 || codec.decoder_set_strict_mode(1) != 1 {
        return Err(damaged());
    }
    let stream = input.stream();
    let mut image = codec.read_header(stream).ok_or_else(damaged)?;
    if codec.decode(stream, &mut image) != 1 || codec.end_decompress(stream) != 1 {
        return Err(damaged());
    }
    let components = image.comps().unwrap_or_default();
    if components.len() != frame.samples {
        return Err(damaged());
    }
    for (index, component) in components.iter().enumerate() {
        let own = (component.w as usize, component.h as usize);
        let same = component.prec == header.precision && (component.sgnd != 0) == header.signed;
        let samples = component.data();
        let samples = samples.filter(|_| same && own == (frame.columns, frame.rows));
        each(index, samples.ok_or_else(damaged)?);
    }
    Ok(())
}

/// The bytes that the decoder reads.
struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The decoder's handle on them.
struct Input<'a> {
    stream: NonNull<opj_stream_t>,
    _source: std::marker::PhantomData<&'a mut Source<'a>>,
}

impl<'a> Input<'a> {
    fn new(source: &'a mut Source<'_>) -> Option<Self> {
        let length = source.bytes.len();
        let data: *mut c_void = std::ptr::from_mut(source).cast();
        // SAFETY: the functions are given a stream that was just made. `data` stays valid and is
        // used by nothing else while `Input` lives, whose lifetime is that of the borrow; nothing
        // frees it.
        unsafe {
            let stream = NonNull::new(opj_stream_create(length.clamp(64, 1 << 20), 1))?;
            opj_stream_set_read_function(stream.as_ptr(), Some(read));
            opj_stream_set_skip_function(stream.as_ptr(), Some(skip));
            opj_stream_set_seek_function(stream.as_ptr(), Some(seek));
            opj_stream_set_user_data_length(stream.as_ptr(), length as u64);
            opj_stream_set_user_data(stream.as_ptr(), data, None);
            Some(Self {
                stream,
                _source: std::marker::PhantomData,
            })
        }
    }

    fn stream(&mut self) -> &mut Stream {
        // SAFETY: `opj_stream_create` returns a `Stream`, which only this hands out.
        unsafe { self.stream.cast().as_mut() }
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `opj_stream_create`, and is destroyed once.
        unsafe { opj_stream_destroy(self.stream.as_ptr()) }
    }
}

/// # Safety
/// `data` is a [`Source`], and `buffer` has room for `length` bytes.
unsafe extern "C" fn read(buffer: *mut c_void, length: usize, data: *mut c_void) -> usize {
    // SAFETY: the caller's promise; `Input::new` hands over such a pointer.
    let source = unsafe { &mut *data.cast::<Source>() };
    let rest = source.bytes.get(source.at..).unwrap_or_default();
    let taken = rest.get(..length).unwrap_or(rest);
    if taken.is_empty() {
        // The library's sign for the end.
        return usize::MAX;
    }
    source.at += taken.len();
    // SAFETY: `buffer` has room for `length` bytes, of which these are no more, and is not `bytes`.
    unsafe { std::ptr::copy_nonoverlapping(taken.as_ptr(), buffer.cast(), taken.len()) };
    taken.len()
}

/// # Safety
/// `data` is a [`Source`].
unsafe extern "C" fn skip(length: i64, data: *mut c_void) -> i64 {
    // SAFETY: the caller's promise; `Input::new` hands over such a pointer.
    let source = unsafe { &mut *data.cast::<Source>() };
    let wanted = usize::try_from(length).unwrap_or(0);
    let taken = wanted.min(source.bytes.len().saturating_sub(source.at));
    source.at += taken;
    if taken == 0 && wanted > 0 {
        -1
    } else {
        taken as i64
    }
}

/// # Safety
/// `data` is a [`Source`].
unsafe extern "C" fn seek(at: i64, data: *mut c_void) -> i32 {
    // SAFETY: the caller's promise; `Input::new` hands over such a pointer.
    let source = unsafe { &mut *data.cast::<Source>() };
    match usize::try_from(at) {
        Ok(at) if at <= source.bytes.len() => {
            source.at = at;
            1
        }
        _ => 0,
    }
}
