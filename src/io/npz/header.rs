//! The header of a `.npy` array, read without trusting it.
//!
//! *Law.* A header is accepted only if its element count times its element size is, to the byte,
//! what follows it; so nothing is allocated for bytes that are not there.
//!
//! *Source.* The published `.npy` format, versions 1.0, 2.0 and 3.0.

use std::io::Read;

/// The key of the unit of the patterns.
pub(super) const DOMAIN: &str = "measurement_domain";

/// Maximum header length, in bytes; the limit of NumPy for untrusted files is 10 000.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// The kind of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum Kind {
    Bool,
    Float,
    Signed,
    Unsigned,
    Complex,
}

/// An element type that can be read: its kind, its size in bytes, and its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) struct Dtype {
    pub(in crate::io) kind: Kind,
    pub(in crate::io) size: usize,
    pub(in crate::io) big_endian: bool,
}

impl Dtype {
    /// The type that NumPy's `descr` names, if it is one of those that are read.
    fn parse(descr: &str) -> Option<Self> {
        let mut chars = descr.chars();
        let order = chars.next()?;
        let (kind, size) = match chars.as_str() {
            "b1" => (Kind::Bool, 1),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            "c8" => (Kind::Complex, 8),
            "c16" => (Kind::Complex, 16),
            "i1" => (Kind::Signed, 1),
            "i2" => (Kind::Signed, 2),
            "i4" => (Kind::Signed, 4),
            "i8" => (Kind::Signed, 8),
            "u1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            _ => return None,
        };
        let big_endian = match order {
            '<' | '=' => false,
            '>' => true,
            '|' if size == 1 => false,
            _ => return None,
        };
        Some(Self {
            kind,
            size,
            big_endian,
        })
    }

    fn bytes<const K: usize>(self, b: &[u8]) -> [u8; K] {
        let mut out = [0; K];
        for (o, v) in out.iter_mut().zip(b) {
            *o = *v;
        }
        if self.big_endian {
            out.reverse();
        }
        out
    }

    fn float(self, b: &[u8]) -> f64 {
        if b.len() == 4 {
            f64::from(f32::from_le_bytes(self.bytes(b)))
        } else {
            f64::from_le_bytes(self.bytes(b))
        }
    }

    /// Real elements one after another, as float32; calls `lost` with every finite number that does not fit.
    pub(in crate::io) fn singles(self, bytes: &[u8], mut lost: impl FnMut(f64)) -> Vec<f32> {
        let elements = bytes.chunks_exact(self.size);
        if (self.kind, self.size, self.big_endian) == (Kind::Float, 4, false) {
            return elements
                .map(|b| f32::from_le_bytes(self.bytes(b)))
                .collect();
        }
        elements
            .map(|b| {
                let v = self.complex(b).0;
                let s = v as f32;
                if v.is_finite() && !s.is_finite() {
                    lost(v);
                }
                s
            })
            .collect()
    }

    /// An element of an integer type, exactly.
    pub(in crate::io) fn integer(self, b: &[u8]) -> i128 {
        let signed = self.kind == Kind::Signed;
        match (b.len(), signed) {
            (1, false) => u8::from_le_bytes(self.bytes(b)).into(),
            (1, true) => i8::from_le_bytes(self.bytes(b)).into(),
            (2, false) => u16::from_le_bytes(self.bytes(b)).into(),
            (2, true) => i16::from_le_bytes(self.bytes(b)).into(),
            (4, false) => u32::from_le_bytes(self.bytes(b)).into(),
            (4, true) => i32::from_le_bytes(self.bytes(b)).into(),
            (_, false) => u64::from_le_bytes(self.bytes(b)).into(),
            (_, true) => i64::from_le_bytes(self.bytes(b)).into(),
        }
    }

    /// An element as real and imaginary part.
    pub(in crate::io) fn complex(self, b: &[u8]) -> (f64, f64) {
        match self.kind {
            Kind::Complex => {
                let (re, im) = b.split_at(b.len() / 2);
                (self.float(re), self.float(im))
            }
            Kind::Float => (self.float(b), 0.0),
            Kind::Bool => (f64::from(u8::from(b.iter().any(|v| *v != 0))), 0.0),
            Kind::Signed | Kind::Unsigned => (self.integer(b) as f64, 0.0),
        }
    }
}

/// The header of one array.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// NumPy's name of the element type, as found.
    pub(super) descr: String,
    /// The element type, if it is one that is read.
    pub(super) dtype: Option<Dtype>,
    /// Whether the first axis varies fastest.
    pub(super) fortran: bool,
    /// The lengths of the axes, slowest first unless `fortran`.
    pub(super) shape: Vec<usize>,
    /// Where the elements begin, in bytes from the start of the array.
    pub(super) start: u64,
}

/// Magic bytes of an array.
pub(super) const NPY: &[u8] = b"\x93NUMPY";

impl Header {
    /// Reads the header at the start of `r` and leaves `r` at the first element.
    pub(super) fn read(r: &mut impl Read) -> Result<Self, String> {
        let short = |e: std::io::Error| format!("an unreadable header ({e})");
        let mut magic = [0; 8];
        r.read_exact(&mut magic).map_err(short)?;
        if &magic[..6] != NPY {
            return Err("no array (the `.npy` magic bytes are missing)".to_owned());
        }
        let (prefix, length) = match magic[6] {
            1 => {
                let mut b = [0; 2];
                r.read_exact(&mut b).map_err(short)?;
                (10, usize::from(u16::from_le_bytes(b)))
            }
            2 | 3 => {
                let mut b = [0; 4];
                r.read_exact(&mut b).map_err(short)?;
                (12, u32::from_le_bytes(b) as usize)
            }
            v => return Err(format!("`.npy` format version {v}")),
        };
        if length > MAX_HEADER_BYTES {
            return Err(format!("a header of {length} bytes"));
        }
        let mut text = vec![0; length];
        r.read_exact(&mut text).map_err(short)?;
        let text = String::from_utf8(text).map_err(|_| "a header that is not text".to_owned())?;
        Self::parse(&text, (prefix + length) as u64)
            .ok_or_else(|| format!("an invalid header: {}", excerpt(&text)))
    }

    fn parse(text: &str, start: u64) -> Option<Self> {
        let descr = value(text, "descr")?;
        let descr = match descr.chars().next()? {
            quote @ ('\'' | '"') => descr[1..].split_once(quote)?.0.to_owned(),
            _ => "a structure".to_owned(),
        };
        let fortran = value(text, "fortran_order")?;
        let fortran = if fortran.starts_with("True") {
            true
        } else if fortran.starts_with("False") {
            false
        } else {
            return None;
        };
        let (axes, _) = value(text, "shape")?.strip_prefix('(')?.split_once(')')?;
        let mut axes: Vec<&str> = axes.split(',').map(str::trim).collect();
        if axes.last() == Some(&"") {
            axes.pop();
        }
        let shape = axes
            .iter()
            .map(|a| a.strip_suffix('L').unwrap_or(a).parse().ok())
            .collect::<Option<Vec<usize>>>()?;
        Some(Self {
            dtype: Dtype::parse(&descr),
            descr: excerpt(&descr),
            fortran,
            shape,
            start,
        })
    }

    /// The number of elements, if it can be counted at all.
    pub(super) fn count(&self) -> Option<usize> {
        // an axis of no element must not hide the others
        let all = (self.shape.iter()).try_fold(1isize, |n, &a| {
            n.checked_mul(isize::try_from(a.max(1)).ok()?)
        })?;
        if self.shape.contains(&0) {
            return Some(0);
        }
        usize::try_from(all).ok()
    }

    /// The shape as NumPy writes it.
    pub(super) fn shape_text(&self) -> String {
        shape_text(&self.shape)
    }
}

/// A shape as NumPy writes it: `(516, 128, 128)`, `(516,)`, `()`.
pub(in crate::io) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [n] => format!("({n},)"),
        _ => {
            let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", axes.join(", "))
        }
    }
}

/// The text after `'key':` in the dictionary `text`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    ['\'', '"'].iter().find_map(|q| {
        let (_, rest) = text.split_once(&format!("{q}{key}{q}"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    })
}

/// The beginning of a text from a file, safe to print.
pub(in crate::io) fn excerpt(text: &str) -> String {
    let start: String = text.trim().chars().take(80).collect();
    start.escape_debug().collect()
}
